"""Invented patients for rules of documentation gaps: a record that meets every condition of a rule, and near misses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from cds_service.review.gaps.language import Coded, Condition, Contradicted, Drug, Earlier, GapRule, Listed, Measured, Mentioned, Ordered, Said
from cds_service.review.knowledge import Knowledge
from cds_service.review.specificity import side_of, sides
from fhir_mappers.record import Coding, Concept, EarlierDiagnosis, EncounterRecord, Medication, Note, Observation, Order, Problem, Setting
from onnx_models.reading import NoteReading
from tests.unit.review.conftest import TODAY, note, reading, record

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
WORDING = {
    "diabetes_uncontrolled": "The diabetes is uncontrolled.",
    "no_evidence_of_disease": "No evidence of disease at present.",
    "urinary_catheter": "He has a chronic indwelling catheter.",
    "present_on_admission": "It was present on admission.",
    "respiratory_support": "She was placed on BiPAP.",
    "urosepsis": "Treated for urosepsis.",
    "muscle_or_fat_loss": "There is temporal wasting.",
}
DRUGS = {
    "broad_antibiotic": "vancomycin 1 g",
    "thyroid_hormone": "levothyroxine 50 mcg",
    "alpha_blocker_prostate": "tamsulosin 0.4 mg",
    "opioid_use_disorder": "naltrexone 50 mg",
    "bronchodilator_maintenance": "tiotropium 18 mcg",
}


@dataclass
class Invented:
    """Parts of a record as they are collected from conditions."""

    knowledge: Knowledge
    sentences: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # of the provider's note
    report: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    second: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # of another provider's note
    parts: dict[str, list[Any]] = field(default_factory=dict)
    count: int = 0
    day: int = 2

    def name(self) -> str:
        """Return a condition name that occurs nowhere else."""
        self.count += 1
        return f"Conditio{'abcdefghijklmnop'[self.count]}"

    def add(self, condition: Condition) -> None:
        """Make the record meet a condition."""
        if isinstance(condition, Coded):
            if condition.admission:  # a later note, and another condition that is principal
                self.day = 6
                self._state("K35.80")
            self._state(self._code(condition))
        elif isinstance(condition, Mentioned):
            words = self.name()
            (self.report if condition.reports else self.sentences).append((f"{words}.", {words: self._leaf(condition.codes[0])}))
        elif isinstance(condition, Contradicted):
            words = self.name()
            code = self._leaf("E03.9" if "E03.9".startswith(condition.codes) else condition.codes[0])
            self.sentences.append((f"{words}.", {words: code}))
            self.second.append((f"No {words}.", {words: code}))
        elif isinstance(condition, Said):
            self.sentences.append((WORDING[condition.cue], {}))
        elif isinstance(condition, Measured):
            self._measure(condition)
        elif isinstance(condition, Drug):
            drug = DRUGS.get(condition.group) or _example(self.knowledge, condition.group)
            self._put("medications", Medication(f"MedicationRequest/{self.count}", Concept(text=drug), "active", date=NOW))
        elif isinstance(condition, Ordered):
            named = Concept(text=condition.words[0].title())
            self._put("orders", Order(f"ServiceRequest/{self.count}", named, "active", date=NOW, reasons=(Concept(text="x"),)))
        elif isinstance(condition, Listed):
            code = self._leaf(condition.codes[0])
            concept = Concept((Coding("http://hl7.org/fhir/sid/icd-10-cm", code),), condition.words[0] if condition.words else code)
            self._put("problems", Problem(f"Condition/{self.count}", concept, "problem-list-item", "active"))

        elif isinstance(condition, Earlier):
            concept = Concept((Coding("http://hl7.org/fhir/sid/icd-10-cm", self._leaf(condition.codes[0])),), "A diagnosis of last year")
            self._put("earlier_diagnoses", EarlierDiagnosis(f"Condition/{self.count}", concept, date(2025, 4, 1), "e0"))

    def _state(self, code: str) -> None:
        # A code of diabetes or sepsis stands only where it is named.
        named = "Diabetes" if code[:3] in ("E08", "E09", "E10", "E11", "E13") else "Sepsis" if code.startswith(("A40", "A41", "R65.2")) else ""
        words = f"{named} {self.name()}".strip()
        self.sentences.append((f"{words}.", {words: code}))

    def _put(self, part: str, value: Any) -> None:
        self.count += 1
        self.parts.setdefault(part, []).append(value)

    def _leaf(self, prefix: str) -> str:
        codes = next(iter(self.knowledge.code_sets))
        return next(c for c in sorted(codes.billable) if c.startswith(prefix))

    def _code(self, condition: Coded) -> str:
        codes = next(iter(self.knowledge.code_sets))
        fitting = (c for p in condition.codes for c in sorted(codes.billable) if c.startswith(p) and not c.startswith(("Z0", "V")))
        if condition.sided:
            return next(c for c in fitting if side_of(codes.title(c)) == "unspecified" and sides(codes, c) and c.startswith("M25.56"))
        return next(c for c in fitting if condition.title is None or condition.title in codes.title(c).lower())

    def _measure(self, m: Measured) -> None:
        value = 1.0
        if m.above is not None:
            value = m.above * 1.1 + 1
        elif m.below is not None:
            value = m.below * 0.9
        values = [(timedelta(days=0), value)]
        if m.times > 1:
            values.insert(0, (timedelta(days=max(m.apart_days, 1) + 5), value))
        if m.rise is not None:
            values = [(timedelta(days=1), 1.0), (timedelta(0), 1.0 + m.rise * 1.2)]
        if m.rise_percent is not None:
            values = [(timedelta(days=1), 1.0), (timedelta(0), 1.0 + m.rise_percent / 90)]
        if m.fall is not None:
            values = [(timedelta(days=1), 12.0), (timedelta(0), 12.0 - m.fall * 1.2)]
        if m.fall_percent is not None:
            values = [(timedelta(days=1), 80.0), (timedelta(0), 80.0 * (1 - m.fall_percent / 90))]
        test = self.knowledge.measurements.test(m.name)
        for before, number in values:
            concept = Concept((Coding("http://loinc.org", test.loinc[0]),), m.name)
            self._put("observations", Observation(f"Observation/{self.count}", concept, "laboratory", NOW - before, number, test.unit, number, test.unit))

    def whole(self, setting: Setting) -> tuple[EncounterRecord, Mapping[str, NoteReading]]:
        """Return the record and the readings of its notes."""
        notes: list[Note] = []
        readings: dict[str, NoteReading] = {}
        written = (
            (self.sentences or [("Seen today.", {})], "DocumentReference/1", False),
            (self.report, "DiagnosticReport/1", True),
            (self.second, "DocumentReference/2", False),
        )
        for lines, source, is_report in written:
            if not lines:
                continue
            head = "Findings:\n" if is_report else "Assessment:\n"
            text = head + "\n".join(f"{at}. {words}" for at, (words, _) in enumerate(lines, 1))
            notes.append(note(text, source, self.day, is_report=is_report))
            readings[source] = reading(text, {w: c for _, said in lines for w, c in said.items()})
        return record(*notes, setting=setting, **{k: tuple(v) for k, v in self.parts.items()}), readings


def _example(knowledge: Knowledge, group: str) -> str:
    pattern = knowledge.measurements.pattern(group)
    return pattern.pattern.removeprefix(r"\b(?:").split("|")[0].rstrip(")").replace(".", "-")


def patient_for(rule: GapRule, knowledge: Knowledge) -> tuple[EncounterRecord, Mapping[str, NoteReading]]:
    """Return a record that meets every condition of a rule."""
    invented = Invented(knowledge)
    for condition in (*rule.needs, *rule.any[: rule.at_least], *rule.show):
        invented.add(condition)
    return invented.whole(Setting(rule.settings[0]))


def settled_patient(rule: GapRule, knowledge: Knowledge) -> tuple[EncounterRecord, Mapping[str, NoteReading]]:
    """Return a near miss: what would settle the question is documented, or, where nothing could, the first condition is lacking."""
    invented = Invented(knowledge)
    conditions = [*rule.needs, *rule.any[: rule.at_least]]
    for condition in conditions if rule.unless else conditions[1:]:
        invented.add(condition)
    if rule.unless:
        invented.add(rule.unless[0])
    return invented.whole(Setting(rule.settings[0]))


assert NOW.date() == TODAY
