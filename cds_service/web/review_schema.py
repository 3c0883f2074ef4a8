"""JSON Schema (2020-12) of the published CodingReview. A test holds real answers to it."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def _object(properties: Schema, required: list[str], description: str) -> Schema:
    return {"type": "object", "description": description, "properties": properties, "required": required, "additionalProperties": False}


def _list(of: str, description: str, *, least: int = 0) -> Schema:
    return {"type": "array", "description": description, "items": {"$ref": f"#/components/schemas/{of}"}} | ({"minItems": least} if least else {})


def _word(description: str, *values: str) -> Schema:
    return {"type": "string", "description": description} | ({"enum": list(values)} if values else {})


_CONFIDENCE: Schema = {"type": "number", "minimum": 0, "maximum": 1, "description": "Calibrated probability that the code is right."}
_OFFSET: Schema = {"type": "integer", "minimum": 0, "description": "Offset into the note's plain text, in Unicode code points."}

_ASSERTION = _object(
    {
        "polarity": _word("Affirmed or denied.", "affirmed", "negated"),
        "certainty": _word("How sure the author is.", "certain", "possible", "hypothetical"),
        "temporality": _word("Now, or a resolved past.", "current", "historical"),
        "experiencer": _word("Of whom it is said.", "patient", "family", "other"),
    },
    ["polarity", "certainty", "temporality", "experiencer"],
    "How the words are asserted.",
)

_EVIDENCE = _object(
    {
        "kind": _word("Words of a note, or a value of the structured record.", "note", "structured"),
        "source": _word("Reference of the resource; `text` for the note of a plain-text request."),
        "text": _word("Exactly the note's characters from begin to end, or the value in words. Absent in a kept review."),
        "begin": _OFFSET,
        "end": _OFFSET,
        "section": _word("Canonical name of the section, such as assessment_plan."),
        "assertion": {"$ref": "#/components/schemas/Assertion"},
        "sha256": _word("SHA-256 of the whole note's UTF-8 text."),
        "when": {"type": "string", "format": "date-time", "description": "When it was written or measured."},
        "part": _word("Which value of the resource, where it holds several."),
    },
    ["kind", "source"],
    "What supports a statement.",
)

_RATIONALE = _object(
    {"rule": _word("Registered rule, or feature of the model."), "text": _word("Why, in plain words."), "reference": _word("Where the rule stands.")},
    ["rule", "text"],
    "One reason.",
)

_ALTERNATIVE = _object(
    {"code": _word("Code."), "display": _word("Title."), "confidence": _CONFIDENCE, "why": _word("What would make it right.")},
    ["code", "display", "confidence", "why"],
    "Another code that was considered.",
)

_ATTRIBUTES = _object(
    {name: _word(f"{name.capitalize()}, as documented.") for name in ("laterality", "acuity", "severity", "stage", "episode", "control")},
    [],
    "What the words say about the condition.",
)

_HCC = _object(
    {
        "model": _word("Risk-adjustment model."),
        "category": _word("Category."),
        "label": _word("Name of the category."),
        "containedIn": _word("Category of this review that takes its place by the model's hierarchy."),
    },
    ["model", "category", "label"],
    "A risk-adjustment category, for the coder.",
)

_ASSIGNMENT = _object(
    {
        "code": _word("Code as it is written: ICD-10-CM with its dot."),
        "system": {"type": "string", "format": "uri", "description": "Code system."},
        "display": _word("Title of the code."),
        "confidence": _CONFIDENCE,
        "role": _word("Place in the sequence; absent for procedures and supplies.", "principal", "secondary"),
        "billable": {"type": "boolean", "description": "Complete to its last character on the date of service."},
        "evidence": _list("Evidence", "Never empty.", least=1),
        "rationale": _list("Rationale", "Never empty.", least=1),
        "alternatives": _list("Alternative", "Other codes that were considered."),
        "attributes": {"$ref": "#/components/schemas/Attributes"},
        "hcc": _list("HccCategory", "Risk-adjustment categories."),
        "source": _word("What supports it.", "note", "structured", "both"),
        "meat": {
            "type": "array",
            "description": "For diagnoses with a category: documentation of this encounter that it was monitored, evaluated, assessed or treated.",
            "items": _object(
                {
                    "element": _word("Which.", "monitored", "evaluated", "assessed", "treated"),
                    "evidence": _list("Evidence", "Never empty.", least=1),
                },
                ["element", "evidence"],
                "One element of support.",
            ),
        },
        "complication": _word("Inpatients, secondary diagnoses: complication or comorbidity, for the coder.", "CC", "MCC"),
        "units": {"type": "integer", "minimum": 1, "description": "Drugs and supplies: how many of what the code counts."},
        "presentOnAdmission": _word("Inpatients: yes, no, unknown, clinically undetermined, exempt (Appendix I).", "Y", "N", "U", "W", "1"),
    },
    ["code", "system", "display", "confidence", "billable", "evidence", "rationale", "source"],
    "One code of the review.",
)

_NOT_CODED = _object(
    {
        "code": _word("Code."),
        "display": _word("Title."),
        "evidence": _list("Evidence", "Where it was found."),
        "reason": _word("Why it is not coded: negated, family, historical, uncertain (outpatient), excluded by ..., planned, approach not documented: ..."),
        "rule": _word("Rule that decided."),
    },
    ["code", "display", "evidence", "reason"],
    "Something found and left out.",
)

_QUERY = _object(
    {
        "id": _word("Name of the query within the review."),
        "family": _word("Kind of gap."),
        "title": _word("Subject."),
        "question": _word("The question to the author."),
        "indicators": _list("Evidence", "Clinical indicators; never empty.", least=1),
        "options": {"type": "array", "items": {"type": "string"}, "minItems": 2, "description": "Possible answers; none is preferred."},
        "rule": _word("Rule that asks."),
        "reference": _word("Where the rule stands."),
        "priority": {"type": "integer", "minimum": 1, "description": "1 first."},
        "basis": _word("Short hash of what the query rests on: another one where other words, tests, drugs or problems than before give rise to it."),
    },
    ["id", "family", "title", "question", "indicators", "options", "rule", "reference", "priority", "basis"],
    "A compliant documentation query.",
)

_CLAIM_FINDING = _object(
    {
        "edit": _word("Edit."),
        "codes": {"type": "array", "items": {"type": "string"}, "description": "Codes it concerns."},
        "table": _word("Table."),
        "version": _word("Version and effective dates of the table."),
        "explanation": _word("What stands against the claim."),
        "remedy": _word("What would settle it."),
        "severity": _word("Severity.", "warning", "critical"),
        "effectiveFrom": {"type": "string", "format": "date", "description": "First day of the table or entry."},
        "effectiveTo": {"type": "string", "format": "date", "description": "Last day of the table or entry; absent while in force."},
        "reasonCode": _word("Claim adjustment reason code that a remittance would carry, with remark code where one belongs to it."),
        "denial": _word("Why the claim would be denied."),
        "orders": {"type": "array", "items": {"type": "string"}, "description": "References of the orders it is about, where it is about orders."},
    },
    ["edit", "codes", "table", "version", "explanation", "remedy", "severity"],
    "An edit that a payer would apply, for the coder.",
)

_DENIAL_RISK = _object(
    {
        "probability": {"type": "number", "minimum": 0, "maximum": 1, "description": "How likely the claim is denied."},
        "usual": {"type": "number", "minimum": 0, "maximum": 1, "description": "Share of all claims that were denied."},
        "drivers": {
            "type": "array",
            "description": "Edits that found something, and what became of the organization's claims on which they did; what counts most first.",
            "items": _object(
                {"edit": _word("Name of the edit."), "claims": {"type": "integer"}, "denied": {"type": "integer"}}, ["edit", "claims", "denied"], "One edit."
            ),
        },
        "unknown": {"type": "array", "items": {"type": "string"}, "description": "Edits that were too rare in the remittances to learn from."},
        "basis": _word("What it was learned from, and how well it tells denied claims from others."),
        "version": _word("Version of what was learned."),
    },
    ["probability", "usual", "basis", "version"],
    "How likely the claim is denied, for the coder; only where the organization's own remittances trained it.",
)

_GROUP = _object(
    {
        "code": _word("MS-DRG."),
        "title": _word("Title."),
        "majorCategory": _word("Major diagnostic category."),
        "severity": _word("What the secondary diagnoses bring.", "none", "CC", "MCC"),
        "drivenBy": {"type": "array", "items": {"type": "string"}, "description": "Secondary diagnoses that count."},
    },
    ["code", "title", "majorCategory", "severity"],
    "A group.",
)

_GROUPING = _object(
    {
        "system": _word("Name of the system."),
        "version": _word("Release."),
        "effectiveFrom": {"type": "string", "format": "date"},
        "effectiveTo": {"type": "string", "format": "date"},
        "before": _GROUP,
        "after": _GROUP,
        "source": _word("Software that grouped."),
    },
    ["system", "version", "effectiveFrom", "after"],
    "Inpatients: the MS-DRG by the chart's own diagnoses, and by those of the review, for the coder.",
)

_REVIEW = _object(
    {
        "id": {"type": "string", "format": "uuid", "description": "Name of the review."},
        "created": {"type": "string", "format": "date-time", "description": "When it was made."},
        "patient": _word("Reference of the patient."),
        "encounter": _word("Reference of the encounter, where there is one."),
        "setting": _word("Which guideline section applies.", "inpatient", "outpatient", "emergency"),
        "codeSets": {
            "type": "array",
            "description": "Which releases decided.",
            "items": _object(
                {
                    "system": {"type": "string", "format": "uri"},
                    "version": _word("Release."),
                    "effectiveFrom": {"type": "string", "format": "date"},
                    "effectiveTo": {"type": "string", "format": "date"},
                },
                ["system", "version", "effectiveFrom"],
                "One release of a code system.",
            ),
        },
        "model": _object(
            {"name": _word("Name."), "version": _word("Version."), "sha256": _word("Hash of its manifest.")},
            ["name", "version", "sha256"],
            "Which model read the notes.",
        ),
        "diagnoses": _list("CodeAssignment", "In sequence; the principal or first-listed first."),
        "procedures": _list("CodeAssignment", "Inpatients: ICD-10-PCS; others: CPT (from the customer's licensed file) and HCPCS Level II."),
        "supplies": _list("CodeAssignment", "Drugs and supplies by HCPCS Level II, with units."),
        "notCoded": _list("NotCoded", "What was found and left out, and why."),
        "queries": _list("DocumentationQuery", "Gaps in the documentation."),
        "claimFindings": _list("ClaimFinding", "Edits, for the coder."),
        "denialRisk": _DENIAL_RISK,
        "grouping": _GROUPING,
        "coverage": _object(
            {
                "notesRead": {"type": "array", "items": {"type": "string"}},
                "notesSkipped": {
                    "type": "array",
                    "items": _object(
                        {"source": _word("What."), "reason": _word("Why, with the remedy.")}, ["source", "reason"], "Input not, or not wholly, read."
                    ),
                },
                "warnings": {"type": "array", "items": {"type": "string"}},
            },
            ["notesRead", "notesSkipped"],
            "What was read and what was not.",
        ),
        "timingMs": {"type": "object", "additionalProperties": {"type": "number"}, "description": "Milliseconds by stage."},
    },
    [
        "id",
        "created",
        "patient",
        "setting",
        "codeSets",
        "model",
        "diagnoses",
        "procedures",
        "supplies",
        "notCoded",
        "queries",
        "claimFindings",
        "coverage",
        "timingMs",
    ],
    "The coded review of one encounter.",
)

REVIEW_SCHEMAS: Schema = {
    "CodingReview": _REVIEW,
    "CodeAssignment": _ASSIGNMENT,
    "NotCoded": _NOT_CODED,
    "DocumentationQuery": _QUERY,
    "ClaimFinding": _CLAIM_FINDING,
    "Evidence": _EVIDENCE,
    "Assertion": _ASSERTION,
    "Rationale": _RATIONALE,
    "Alternative": _ALTERNATIVE,
    "Attributes": _ATTRIBUTES,
    "HccCategory": _HCC,
}
