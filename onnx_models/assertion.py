"""Assertion of a mention: is it said of this patient, now, and with certainty?

Cue and scope in the manner of ConText (Harkema et al. 2009): a cue opens a scope that a terminator closes; cues that only
look like one ("no increase", "not only") are masked first. Sections give a default: what stands under family history is the
family's, instructions are hypothetical.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from onnx_models.reading import Assertion, Certainty, Experiencer, Polarity, Temporality


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile(r"(?<![\w-])(?:" + "|".join(patterns) + r")(?![\w-])", re.I)


# Look like negation but assert: "no change in the effusion", "not only", "no longer able to", "gram negative".
_PSEUDO = _words(
    r"no (?:significant |interval |further |real |appreciable )?(?:increase|change|improvement|worsening|progression|resolution|relief|difference)s?"
    r"(?: in| of| from| with)?",
    r"not only", r"not necessarily", r"without (?:difficulty|incident|issue|complication|improvement|relief|resolution|change)s?(?! of)", r"no doubt",
    r"gram[- ]negative", r"(?:did|does|do|was|is|has|have|had) not (?:improve|resolve|respond|help|relieve|relieved|improved|resolved|change|changed)\w*",
    r"not (?:well|adequately|optimally|fully|currently|", r"yet) (?:controlled|at goal|resolved|treated|managed)",
    r"not (?:controlled|at goal|resolved|improving|improved|compliant|adherent)", r"no longer able", r"negative pressure",
    r"no (?:known )?(?:family )?history available", r"cannot (?:walk|sleep|bear|move|lift|stand|tolerate|recall)", r"never smoker",
    r"non-?\s?(?:compliance|adherence|insulin|small|st|displaced|union|obstructive|alcoholic|pressure|healing|hodgkin'?s?)",
)  # fmt: skip
_NEGATED_BEFORE = _words(
    r"no", r"not", r"non", r"without", r"w/o", r"den(?:y|ies|ied|ying)", r"negative(?: for)?", r"neg(?: for)?", r"never(?: had| been| has)?", r"free of",
    r"absence of", r"absent", r"lacks?", r"lack of", r"neither", r"nor", r"rule(?:d|s) out(?! by| for)?(?<!rule out)", r"exclude[sd]",
    r"fails? to (?:reveal|show|demonstrate)", r"(?:does|did|do|has|have|had|was|were|is|are)n't", r"unremarkable for", r"no evidence (?:of|for)",
    r"no signs? (?:of|for)", r"no history of", r"(?:has|had|having) no", r"resolved(?= \w)", r"nil", r"clear of", r"afebrile", r"r/o'?ed",
    r"unlikely(?: to (?:be|have|represent))?", r"low (?:suspicion|probability|concern|likelihood) (?:for|of)", r"doubt(?:ful)?",
    r"not (?:consistent|compatible) with", r"cannot see", r"ruled out for",
)  # fmt: skip
_NEGATED_AFTER = _words(
    r"(?:was |is |were |has been |have been |are )?(?:ruled out|excluded|absent|negative|"
    r"not (?:seen|present|identified|found|appreciated|noted|detected|visuali[sz]ed|demonstrated|evident|reported))",
    r"(?:is |was |are |seems |felt to be )?(?:very |highly )?unlikely", r"(?:is |are |was |were )?denied", r"not (?:a|an) (?:issue|concern|problem)",
    r":\s*(?:no|none|negative|denies|denied|absent|neg)", r"-\s*(?:no|none|negative|denies)",
)  # fmt: skip
_POSSIBLE_BEFORE = _words(
    r"possibl[ey]", r"probabl[ey]", r"likely", r"suspect(?:s|ed|ing)?(?: of)?", r"suspicious (?:for|of)", r"suspicion (?:for|of)",
    r"concern(?:s|ing|ed)?(?: for| of| about)?", r"question(?:able| of)", r"\?", r"rule[ -]out", r"r/o", r"presum(?:ed|ptive|ably|ptively)",
    r"may (?:have|be|represent|reflect|indicate)", r"might (?:have|be|represent)", r"could (?:be|represent|have|reflect)", r"cannot (?:rule out|exclude)",
    r"can ?not (?:rule out|exclude)", r"can't (?:rule out|exclude)", r"not (?:ruled out|excluded)", r"versus", r"vs\.?",
    r"differential(?: diagnosis)?(?: includes?| is| would include|:)?", r"ddx:?", r"evaluat(?:e|ion|ing) (?:for|of)", r"work-?\s?up (?:for|of)",
    r"to (?:rule out|exclude|assess for|evaluate for|r/o)", r"apparent(?:ly)?", r"compatible with", r"consistent with",
    r"suggest(?:s|ive|ing|ed)(?: of| that)?", r"indicative of", r"appears? to (?:be|have|represent)", r"seems? to (?:be|have)", r"borderline", r"impending",
    r"perhaps", r"equivocal(?: for)?", r"favor(?:s|ed|ing)?", r"working diagnosis(?: of|:)?", r"screen(?:ing|ed)? (?:for)", r"susceptible to",
    r"worr(?:y|ied|isome) (?:for|about)", r"think (?:this|it) (?:is|may be)", r"look(?:s)? like",
)  # fmt: skip
_POSSIBLE_AFTER = _words(
    r"(?:is |are |was |were |remains )?(?:possible|probable|likely|suspected|questionable|questioned|presumed|considered)",
    r"(?:is |was )?(?:to be |not |not yet |cannot be |can not be )(?:ruled out|excluded)", r"vs\.?", r"versus", r"\?",
    r"(?:is|remains|was) (?:in|on) the differential", r"should be (?:considered|excluded)", r"cannot be (?:ruled out|excluded)", r"in question", r"workup",
    r"work-up",
)  # fmt: skip
_HYPOTHETICAL = _words(
    r"if", r"return (?:for|if|to|with)", r"in case(?: of)?", r"should (?:you|he|she|they|there|symptoms)(?: develop| have| experience)?", r"call (?:for|if)",
    r"watch (?:for|out)", r"monitor(?:ing|ed)? for", r"risks?(?: and benefits)?(?:,| of| for| include| including)", r"at risk (?:of|for)",
    r"prevent(?:ion|ive|s|ing)?(?: of)?", r"prophyla\w+(?: for| against)?", r"to prevent", r"side effects?(?: of| such as| including)?", r"precautions?",
    r"advised (?:to|about|regarding)", r"educat(?:ed|ion) (?:on|about|regarding)", r"as needed for", r"prn(?: for)?", r"unless", r"until",
    r"potential(?: for)?", r"(?:signs|symptoms) of", r"complications? (?:such as|including|include)", r"can cause", r"may cause",
    r"would (?:be|need|require)", r"contraindicated in", r"vaccin\w+", r"immuni[sz]\w+", r"candidate for", r"discussed the (?:risk|possibility)",
    r"exposed to", r"exposure to", r"concerned (?:that|she|he) (?:she|he|may|might)",
)  # fmt: skip
_HISTORICAL_BEFORE = _words(
    r"(?:remote |prior |previous |past |distant )?history of", r"h/o", r"hx(?: of)?", r"status[- ]post", r"s/p", r"previous(?:ly)?", r"prior(?: to)?",
    r"former", r"resolved", r"in the past", r"past", r"childhood", r"remote", r"had (?:a|an)", r"years ago", r"post", r"treated for", r"recovered from",
    r"old", r"in \d{4}", r"pmh(?:x)?(?: of| significant for|:)?",
    r"medical history (?:of|significant for|includes|notable for|is significant for|is notable for)",
)  # fmt: skip
_HISTORICAL_AFTER = _words(
    r"(?:has |have |had |is |was |now |since |completely |fully )*resolved", r"in the past",
    r"(?:about |approximately |around |over )?(?:\w+|\d+) (?:years?|months?|decades?) ago", r"as a child", r"in (?:childhood|19\d\d|20[01]\d)",
    r"(?:was |were )?(?:removed|repaired|excised|resected)", r"in remission", r"status[- ]post", r"s/p", r"previously", r"cured",
    r"no longer (?:an issue|present|a problem|symptomatic)",
)  # fmt: skip
# "history of" in front of a chronic disease is how US notes introduce what the patient still has.
_RESOLVED_CUE = re.compile(
    r"resolved|remote|prior|previous|former|in the past|ago|as a child|childhood|removed|repaired|excised|resected|cured|recovered|status|s/p|no longer|old|"
    r"19\d\d|20[01]\d|distant",
    re.I,
)
_FAMILY = _words(
    r"(?:his |her |patient'?s |maternal |paternal |my |older |younger |twin |half[- ])*(?:mother|father|mom|dad|brother|sister|sibling|siblings|parents?|"
    r"grandmother|grandfather|grandparents?|aunt|uncle|cousin|nephew|niece|son|daughter)(?:'s)?",
    r"family (?:medical |health )?(?:history|hx)(?: is)?(?: positive| significant| notable| remarkable)?(?: of| for)?", r"fh(?:x)?(?: of|:)?",
    r"fam hx(?: of)?", r"runs in (?:the|her|his) family", r"first[- ]degree relative\w*", r"familial history",
)  # fmt: skip
_OTHER = _words(
    r"(?:his |her )?(?:wife|husband|spouse|partner|roommate|coworker|co-worker|friend|neighbou?r|classmate|boyfriend|girlfriend|caregiver)(?:'s)?", r"donor",
    r"sick contacts?",
)  # fmt: skip
_FAMILY_AFTER = _words(r"in (?:his |her |the )?(?:mother|father|brother|sister|family|parents|siblings)", r"runs in the family")
_PATIENT = _words("patient", "she", "he")
_FAMILY_AFTER = _words(r"in (?:his |her |the )?(?:mother|father|brother|sister|family|parents|siblings)", r"runs in the family")
_PATIENT = _words("patient", "she", "he")
_TERMINATOR = _words(
    r"but", r"however", r"although", r"though", r"except(?: for)?", r"aside from", r"apart from", r"other than", r"yet", r"still", r"which", r"who",
    r"because", r"since", r"secondary to", r"due to", r"therefore", r"presents?(?: with| for| today)?", r"presented(?: with)?", r"reports?", r"reported",
    r"endorses?", r"complain(?:s|ed|ing)(?: of)?", r"admits?(?: to)?", r"does (?:have|report|endorse|admit)", r"positive for", r"notes", r"states",
    r"she (?:has|is|does|was|reports|did|had)", r"he (?:has|is|does|was|reports|did|had)", r"patient (?:has|is|reports|was|had)",
    r"there (?:is|are|was|were)", r"found to have", r"diagnosed with", r"now", r"today", r"currently", r"consistent with", r"remains", r"continues",
    r"started", r"given", r"will", r"treated with", r"on exam", r"with (?:mild|moderate|severe|stable|chronic|acute|known|a|an)",
)  # fmt: skip
_HARD_STOP = re.compile(r"[;]|\.\s|\n\s*\n|\s-\s|\u2022")


@dataclass(frozen=True, slots=True)
class Judgement:
    """An assertion and the words that decided it (None where nothing departed from the default)."""

    assertion: Assertion
    cue: str | None


def _before(cues: re.Pattern[str], text: str, begin: int, at: int, stop: re.Pattern[str] | None = _TERMINATOR, reach: int = 110) -> str | None:
    """Return the nearest cue before `at` whose scope reaches it."""
    window_begin = max(begin, at - reach)
    window = text[window_begin:at]
    best: str | None = None
    for match in cues.finditer(window):
        between = window[match.end() :]
        if _HARD_STOP.search(between) or (stop and stop.search(between)):
            continue
        best = match.group()
    return best


def _after(cues: re.Pattern[str], text: str, at: int, end: int, reach: int = 45) -> str | None:
    """Return the nearest cue after `at` whose scope reaches back to it."""
    window = text[at : min(end, at + reach)]
    match = cues.search(window)
    if not match:
        return None
    between = window[: match.start()]
    if re.fullmatch(r"\s*,\s*", between):  # "Pneumonia, resolved"
        return match.group()
    if _HARD_STOP.search(between) or re.search(r"\b(?:and|but|with|who|which|however)\b|,", between):
        return None
    return match.group()


def judge(text: str, sentence: tuple[int, int], mention: tuple[int, int], section: str) -> Judgement:
    """Return the assertion of `text[mention]` in its sentence and section.

    Args:
        text: the note.
        sentence: (begin, end) offsets of the sentence.
        mention: (begin, end) offsets of the mention.
        section: `Section.kind`.
    """
    begin, end = sentence
    low, high = mention
    # Blank out what only looks like a cue; the length stays, so that offsets hold.
    line = _PSEUDO.sub(lambda m: "\x00" * len(m.group()), text[begin:low]) + text[low:high] + _PSEUDO.sub(lambda m: "\x00" * len(m.group()), text[high:end])
    at, to, stop = low - begin, high - begin, end - begin
    result, cues = Assertion(), []

    negated = _before(_NEGATED_BEFORE, line, 0, at) or _after(_NEGATED_AFTER, line, to, stop)
    possible = _before(_POSSIBLE_BEFORE, line, 0, at, reach=70) or _after(_POSSIBLE_AFTER, line, to, stop)
    if negated and possible and re.search(r"rule|exclude|unlikely|suspicion|differential|concern", f"{negated} {possible}", re.I):
        # "cannot exclude PE", "not ruled out": the doubt stands, the negation belongs to the excluding.
        negated = negated if re.search(r"unlikely|low", negated, re.I) else None
    if negated:
        result, cues = replace(result, polarity=Polarity.NEGATED), [negated]
    elif possible or section == "differential":
        result, cues = replace(result, certainty=Certainty.POSSIBLE), [possible or "differential"]
    hypothetical = _before(_HYPOTHETICAL, line, 0, at, stop=None)
    if not negated and (hypothetical or (section in ("instructions", "immunizations") and not possible and _instructs(line))):
        result = replace(result, certainty=Certainty.HYPOTHETICAL)
        cues.append(hypothetical or "instructions")
    historical = _before(_HISTORICAL_BEFORE, line, 0, at, reach=60) or _after(_HISTORICAL_AFTER, line, to, stop)
    if historical and _RESOLVED_CUE.search(historical):
        result = replace(result, temporality=Temporality.HISTORICAL)
        cues.append(historical)
    elif section == "past_surgical":
        result = replace(result, temporality=Temporality.HISTORICAL)
    family = _before(_FAMILY, line, 0, at, stop=_PATIENT) or _after(_FAMILY_AFTER, line, to, stop)
    other = _before(_OTHER, line, 0, at)
    if family or section == "family":
        result = replace(result, experiencer=Experiencer.FAMILY)
        cues.append(family or "family history")
    elif other and re.search(r"(?:has|had|have|was|were|with|sick)\b", line[line.find(other) : at]):
        result = replace(result, experiencer=Experiencer.OTHER)
        cues.append(other)
    return Judgement(result, cues[0] if cues else None)


def has_cue(text: str) -> bool:
    """Tell whether `text` holds words that deny, doubt, or speak of another person."""
    return any(cues.search(text) for cues in (_NEGATED_BEFORE, _NEGATED_AFTER, _POSSIBLE_BEFORE, _FAMILY, _OTHER))


def _instructs(line: str) -> bool:
    return bool(re.search(r"\b(?:return|call|seek|avoid|watch|monitor|should|if|report any|go to|take|keep)\b", line, re.I))
