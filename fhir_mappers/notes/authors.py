"""Who wrote a note, and in which profession: only what the source says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fhir_mappers import elements
from fhir_mappers.chart import Chart
from fhir_mappers.record import Concept

# Profession -> words of a role, a qualification or a document type, and letters behind a name; tried in order. ICD-10-CM guidelines
# I.A.19 and I.B.14 let only the provider's diagnostic statement be coded; other clinicians may document some facts (BMI, depth of an
# ulcer, coma scale, NIHSS).
_ADVANCED = r"PA(?:-C)?|[A-Z]{0,3}NP(?:-[A-Z]{1,2})?|APRN|DNP|CNM|CRNA"
_PROFESSIONS = (
    ("advanced practice provider", r"physician assistant|physician associate|nurse practitioner|midwife|nurse an[ae]sthetist", _ADVANCED),
    ("dietitian", r"dieti[ct]ian|nutrition", r"RDN?|LDN"),
    ("therapist", r"(?:physical|occupational|speech|respiratory|massage)[ -](?:language )?(?:therap|patholog)", r"DPT|PT|OTR(?:/L)?|CCC-SLP|RRT"),
    ("pharmacist", r"pharmac", r"PharmD|RPh"),
    ("social worker", r"social work", r"LCSW|LMSW|MSW"),
    ("nurse", r"\bnurs(?!ing (?:home|facility))", r"RN|LPN|BSN"),
    ("psychologist", r"psychologist", r"PsyD"),
    ("physician", r"physician|doctor|surgeon|hospitalist", r"M\.?D\.?|D\.?O\.?|MBBS"),
)
_ROLES = tuple((role, re.compile(rf"(?i:{words})|(?:^|[\s,;])(?:{letters})(?=$|[\s,;.)])")) for role, words, letters in _PROFESSIONS)


def author_of(resource: Mapping[str, Any], type_: Concept | None, chart: Chart) -> tuple[str | None, str | None]:
    """Return display and profession of the first author that has a display.

    The profession comes from PractitionerRole.code, Practitioner.qualification, the letters behind the name, or the document type.
    """
    name: str | None = None
    words: list[str] = []
    for named in elements.children(resource, "author"):
        named = elements.child(named, "agent") or elements.child(named, "actor") or named
        target = chart.resolve(elements.text(named, "reference"), resource) or {}
        name = name or elements.text(named, "display") or _name(target)
        words += [c.label for c in (*elements.concepts(target, "code"), *elements.concepts(target, "specialty"))]
        words += [c.label for q in elements.children(target, "qualification") if (c := elements.concept(q.get("code")))]
        words += [w for w in (elements.text(named, "display"), _name(target)) if w]
    if type_:
        words.append(type_.label)
    return name, next((role for word in words for role, pattern in _ROLES if pattern.search(word)), None)


def _name(practitioner: Mapping[str, Any]) -> str | None:
    name = elements.child(practitioner, "name")
    if not name:
        return None
    given = [g for g in name.get("given", ()) if isinstance(g, str)] if isinstance(name.get("given"), list) else []
    suffix = [g for g in name.get("suffix", ()) if isinstance(g, str)] if isinstance(name.get("suffix"), list) else []
    return elements.text(name, "text") or " ".join(w for w in (*given, elements.text(name, "family"), *suffix) if w) or None
