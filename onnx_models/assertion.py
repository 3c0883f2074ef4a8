"""Assertion of a mention: is it said of this patient, now, and with certainty?

Cue and scope in the manner of ConText (Harkema et al. 2009): a cue opens a scope that a terminator closes; cues that only
look like one ("no increase", "not only") are masked first. Of two cues that overlap the longer one counts ("not consistent with"
over "consistent with"), and of several the one nearest to the mention. Sections give a default: what stands under family history
is the family's, instructions are hypothetical.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from onnx_models.reading import Assertion, Certainty, Experiencer, Polarity, Temporality


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile(r"(?<![\w-])(?:" + "|".join(patterns) + r")(?![\w-])", re.I)


_NOT = r"(?:not|\w+n['\u2019]t)"
_BE = r"(?:(?:is|are|was|were|has been|have been|had been|being|remains?|felt to be|thought to be|seems?) )"
_OUT = r"(?:ruled out|excluded|r/o'?ed)"
_KIN = (
    r"(?:mother|father|mom|mum|mommy|dad|daddy|brother|sister|sibling|parent|grandmother|grandfather|grandma|grandpa|grandparent|aunt|uncle|cousin|nephew|"
    r"niece|son|daughter)s?"
)
_MATES = (
    r"(?:ex-)?(?:wife|husband|spouse|partner|fianc[e\u00e9]e?|roommate|housemate|co-?worker|colleague|friend|neighbou?r|classmate|boyfriend|girlfriend|"
    r"caregiver|caretaker|babysitter|teammate|boss)s?"
)
_TELLS = (
    r"(?:at (?:the )?bedside|(?:also |who )?(?:has |had |have )?(?:says?|said|states?|stated|reports?|reported|notic\w+|notes?|noted|observ\w+|witness\w+|"
    r"den(?:y|ies|ied)|describ\w+|thinks?|"
    r"thought|feels?|felt|believes?|endors\w+|mentions?|mentioned|found (?:him|her)|brought|brings|drove|called|calls|worr\w+|wonders?)|"
    r"(?:is|was|are|were) (?:\w+ )?(?:concerned|worried|present|here))"
)

# Look like a cue but assert: "no change in the effusion", "not only", "no longer able to", "gram negative".
_PSEUDO = _words(
    r"(?:no|without)(?: any)? (?:significant |interval |further |real |appreciable |much |clear )?(?:increase|change|improvement|worsening|progression|"
    r"resolution|relief|difference|let-?up|response|benefit|success|warning|provocation|interest|insurance)s?(?: in| of| from| with| to)?", r"not only",
    r"not (?:necessarily|just|simply|merely)", r"without (?:difficulty|incident|issue|complication)s?(?! of)", r"(?:no|without) (?:doubt|question)",
    r"gram[- ]neg(?:ative)?",
    _NOT + r" (?:(?:yet|really|getting|gotten|been|much|any) )*(?:improv|resolv|respond|help|reliev|chang|better|going away|go away|tolerat|"
    r"gotten better)\w*",
    _NOT + r"(?: (?:well|adequately|optimally|fully|currently|yet|under|at|in|being|been))* (?:control|goal|resolved|treated|managed|compliant|adherent|"
    r"remission)\w*",
    _NOT + r" (?:been |be )?(?:interested|ready|willing|able|want\w*|wish\w*|tak(?:e|ing|en)|us(?:e|ing|ed)|wear\w*|fill\w*|follow\w*|keep\w*|gonna|"
    r"going to|seen (?:by|in)|amenable|an? (?:surgical |good )?candidate|candidate)",
    r"no longer (?:able|tolerable|controlled|responding|working|taking|tolerat\w+)", r"negative pressure", r"no (?:known )?(?:family )?history available",
    r"(?:can(?:not|'t)|unable to) (?:hardly |even )?(?:walk|sleep|bear|move|lift|stand|tolerate|recall|remember|breathe|work)",
    r"never (?:smoker|got over|gets? better|missed|married|miss(?:es)?|went away|goes away|resolved|improved|recovered|treated|filled|been pregnant|"
    r"had (?:any|some)thing like)", r"non-?\s?(?:compliance|adherence|insulin|small|st|displaced|union|obstructive|alcoholic|pressure|healing|hodgkin'?s?)",
    r"nothing (?:\w+ )?(?:helps|helped|relieves|works|worked|makes)", r"as if", r"even if", r"(?:,? ?but )?(?:is |are )?not limited to",
    r"(?:developed|had|has|with|multiple)(?: \w+){0,2} complications (?:including|such as)", r"prior to", r"compared (?:to|with) prior",
    r"(?:prior|previous|old|past) (?:visits?|exams?|stud(?:y|ies)|films?|ct|mri|scans?|imaging|x-?rays?|admissions?|notes?|records?|labs?|echo\w*|ekg|ecg|"
    r"medical \w+|surgical \w+|family \w+|social \w+|months?|weeks?|days?|night|year|few|several|couple|\d+|two|three|four|five|six)",
    r"(?:years?|months?|weeks?|days?|y|yo|yr|yrs)[- ]old", r"donor (?:site|kidney|liver|heart|lung|renal|organ|transplant\w*|nephrectomy)", r"old enough",
    r"(?:presents?|presented|here|seen|comes?|came|clinic|patient|today)(?: \w+){0,7} evaluation of",
    r"(?:experienc\w+|ha[sd]|having|developed)(?: \w+)? side effects",
)  # fmt: skip
_REPORTER = _words(
    r"(?:(?:his|her|the|my|patient'?s) )?(?:" + _KIN + "|" + _MATES + r")(?= " + _TELLS + ")",
    r"(?:per|according to|from|via|by|with|as per) (?:(?:the |his |her |patient'?s )?)(?:" + _KIN + "|" + _MATES + r")(?=\s*[,:]|(?: \w+){0,2} (?:he|she|"
    r"the|has|had|pt)\b)",
    r"(?:told|informed|asked|advised|counsel\w+|with|to|reassured|updated) (?:(?:the|his|her|patient'?s|both) )*(?:" + _KIN + r")(?= (?:and \w+ )?(?:that|"
    r"about|to|of|regarding)\b)", r"(?:" + _KIN + "|" + _MATES + r")'?s? (?:request|report|account|concern|history)",
)  # fmt: skip
# Bare words stand last in their table: of the patterns of one table the first that fits is taken.
_NEGATED_BEFORE = _words(
    r"den(?:y|ies|ied|ying)(?: (?:any )?(?:concerns?|worr(?:y|ies)|problems?|issues?) (?:about|for|of|with))?", r"negative(?: for|:|,? including|(?= \w))",
    r"neg(?:\.|:)?(?: for| \w+ for|(?= \w))", r"neg:", r"never(?: had| been| has)?", r"free (?:of|from)", r"absence of", r"absent(?= \w)", r"lacks?",
    r"lack of", r"neither", r"nor", r"rule[sd] out(?= \w)(?! by| with| on| in| at| as| last)", r"exclude[sd](?= \w)(?! by| with| on| in| at| as)",
    r"(?:was |were |been )?ruled out for", r"(?:fails?|failed) to (?:reveal|show|demonstrate|identify)", r"unremarkable for",
    r"no (?:\w+ )?(?:evidence|signs?|symptoms|suggestion|indication|findings?) (?:of|for)", r"no (?:\w+ )?history of", r"no (?:\w+ )?diagnosis of",
    r"(?:never|" + _NOT + r")(?: been| yet| formally)* diagnosed with", r"(?:has|had|having|have) no", r"nil", r"clear of",
    r"unlikely (?:to (?:be|have|represent)|that)(?: \w+ (?:has|have|is))?",
    r"(?:very |relatively )?low (?:clinical |index of |pretest )?(?:suspicion|probability|concern|likelihood|risk) (?:for|of)(?! develop)",
    r"(?:no|not|without|doubt)(?: \w+){0,4}? (?:to|that) suggest(?:s|ive of)?", r"nothing(?: \w+){0,4}? (?:to|that) suggests?",
    r"doubt(?:s|ed|ful)?(?: that)?(?: (?:this|it) is)?", _NOT + r"(?: \w+)? (?:consistent|compatible) with",
    _NOT + r"(?: \w+){0,2}? (?:suggest\w*|indicat\w*|suspicious|concern\w*)(?: of| for)?", _NOT + r" (?:due|secondary|related|attributable) to",
    _NOT + r" (?:appear|seem|look)(?: to (?:be|have)| like)?", _NOT + r" (?:suspect|favor|support)",
    _NOT + r" (?:think|believe|consider)(?: that)?(?: (?:this|it|you|he|she|there))?(?: (?:is|has|have|are|to be))?", _NOT + r" meet (?:\w+ )?criteria for",
    r"no (?:clinical |real |current )?(?:concern|suspicion|worry)s? (?:for|of|about)",
    r"(?:no|without)(?: \w+)? (?:apparent|appreciable|possible|probable|suspected|likely)", r"rather than", r"instead of",
    r"can(?:not|'t) say (?:that )?(?:i|he|she|they)(?:'ve| have| has)? (?:had )?", r"no", _NOT, r"non", r"without", r"w/o",
)  # fmt: skip
_NEGATED_AFTER = _words(
    _BE + r"?(?:absent|denied|(?<!un)negative(?! for| pressure)|neg(?! for)|" + _OUT + r"|(?:very |highly |felt |thought |clinically )*(?:unlikely|"
    r"doubtful)|(?:not|less|never) (?:\w+ )?(?:likely|seen|present|identified|found|appreciated|noted|detected|visuali[sz]ed|demonstrated|evident|"
    r"reported|suspected|supported|observed|palpable|apparent|endorsed|confirmed))", r"(?:has|have) been " + _OUT,
    r"(?:screen(?:ing)?|test(?:ing)?|work-?up) (?:was |is )?(?:negative|normal)", _NOT + r" (?:an? )?(?:issue|concern|problem)",
    r"(?:felt )?not (?:felt )?to be (?:present|the cause)", r"which (?:was|were|is|are|came back) (?:negative|normal|ruled out)",
    r"not the (?:cause|explanation|diagnosis|reason)",
    r":\s*(?:no(?: (?:prior |known )?(?:history|hx|use))?|none|negative|denies|denied|absent|neg|nil)(?=\s*(?:$|[.,;/)]))",
    r"-\s*(?:no|none|negative|denies|neg)(?=\s*(?:$|[.,;/)]))", r"\?\s*(?:(?:patient|pt|[A-Z]\w+):\s*)?(?:no|nope|nah|never|not really|none|negative)",
)  # fmt: skip
_LINK = r"(?: due to| secondary to| related to| from| represent(?:s|ing)| reflect(?:s|ing)| (?:has|have|had|is|are|was|were))?"
_POSSIBLE_BEFORE = _words(
    r"possibl[ey]" + _LINK, r"probabl[ey]" + _LINK, r"(?:more than |most )?likely" + _LINK,
    r"suspect(?:s|ed|ing)?(?: of| that)?(?: (?:it|this|he|she|there)(?:'s| (?:is|has|had|was|have)))?", r"suspicious (?:for|of)", r"suspicion (?:for|of)",
    r"concern(?:s|ing|ed)?(?: for| of| about| that)?(?: (?:it|this|he|she|there)(?:'s| (?:is|has|had|may|might|could)(?: be| have)?))?",
    r"question(?:able| of)", r"quer(?:y|ied)", r"\?", r"rule[ -]out", r"r/o", r"presum(?:ed|ptive|ably|ptively)" + _LINK,
    r"(?:may|might|could)(?: also| well| still)? (?:have(?: had)?|be|represent|reflect|indicate|suggest)(?: (?:due|secondary|related) to| caused by| from)?",
    r"(?:can(?:not|'t)|can not|could not|unable to)(?: (?:entirely|completely|definitively|fully))? (?:rule out|exclude)", r"not (?:\w+ )?" + _OUT,
    r"can(?:not|'t) (?:\w+ )?be (?:sure|certain)(?: \w+){0,3}?(?: n[o']t)?",
    r"can(?:not|'t) say(?: for)? (?:sure|certain)(?: that)?(?: (?:it|this)(?:'s| is))?(?: not)?",
    r"(?:make|be) sure (?:that )?(?:this|it|there|he|she|you)(?: is not| isn'?t|'s not| do(?:es)? ?n['o]t have| do(?:es)?n't have)(?: an?y?)?", r"versus",
    r"vs\.?", r"differential(?: diagnosis| diagnoses)?(?: includes?| is| would include| remains|:)?", r"ddx:?", r"evaluat(?:e|ion|ing|ed) for",
    r"evaluat(?:ion|ing) of",
    r"(?:check|test)(?:ed|ing)? for", r"work(?:-?\s?up|ing up| up) (?:for|of)", r"(?:to|and) (?:rule out|exclude|assess for|look for|evaluate for|r/o)",
    r"apparent", r"compatible with", r"consistent with", r"c/w", r"in keeping with", r"suggest(?:s|ive|ing|ed)(?: of| that)?", r"indicative of",
    r"appears? to (?:be|have|represent)", r"seems? to (?:be|have)", r"borderline", r"impending", r"perhaps", r"maybe",
    r"(?:etiologies|causes|explanations|diagnoses)(?: \w+){0,7} (?:include|are)", r"equivocal(?: for)?", r"favor(?:s|ed|ing)?",
    r"working diagnosis(?: of|:)?", r"susceptible to", r"worr(?:y|ied|isome) (?:for|about|that)",
    r"think (?:that )?(?:this|it|he|she|you|we)(?:'s| (?:is|may be|has|might have))", r"(?:look|sound)s?(?: \w+ \w+)? like(?! (?:her|his|your|the patient))",
    r"(?:a )?(?:chance|possibility) (?:of|that|this|it|he|she|you)(?: (?:is|has|have))?", r"it is possible that(?: (?:he|she|it|this) (?:has|is|had))?",
    r"(?:my|best) guess is", r"consider(?:ing(?! (?:her|his|the)))?",
    r"(?:to (?:see|check|determine|find out)|not (?:sure|certain)|unsure|unclear|unknown|wonder\w*) (?:if|whether)(?: (?:it|this|he|she|you)(?:'s| (?:is|"
    r"has|have)))?(?: (?:due|related) to)?", r"whether(?: (?:it|this|he|she|you|the patient) (?:is|has|was|have))?", r"thought to (?:be|have|represent)",
    r"versus less likely", r"(?<!is )(?<!was )(?<!be )(?<!been )(?<!are )considered(?! (?:for|to|as|an? )\b)",
)  # fmt: skip
_END = r"(?=\s*(?:$|[.,;)(/]|but\b|and\b|by\b|at\b|on\b|given\b|clinically\b))"
_POSSIBLE_AFTER = _words(
    _BE + r"?(?:(?:the|a|an|most|more|very|quite|strongly|highly|clinically|the most) )*(?:possible|probable|likely|suspected|questionable|questioned|"
    r"presumed|considered|favou?red)" + _END,
    r"(?:is|remains|was) (?:the|a|an) (?:\w+ )?(?:(?:likely|possible|probable) )?(?:explanation|cause|culprit|possibility|consideration|concern|"
    r"(?:leading )?diagnosis)",
    r"(?:(?:is|was|has|have|had|were) )?(?:(?:to be|not|not yet|not been|cannot be|can ?not be|can't be|could not be|not entirely|not completely|"
    r"yet to be|still to be) )+" + _OUT, r"(?:needs?|has|must|should|ought)(?: to)? be (?:\w+ )?(?:" + _OUT + r"|considered)", r"vs\.?", r"versus", r"\?",
    r"(?:is|remains|was|are)? ?(?:in|on) the differential", r"in question", r"(?:may|might|could) be (?:present|responsible|the cause)", r"workup",
    r"work-up", r"until proven otherwise",
)  # fmt: skip
_HYPOTHETICAL_BEFORE = _words(
    r"if", r"return(?: to [\w ]{2,25}?| here| immediately)? (?:for|if|with)", r"come (?:back|in)(?: \w+)? (?:for|if|with)",
    r"(?:go|report) to (?:the )?(?:nearest )?(?:ed|er|emergency \w+) for", r"seek (?:\w+ )?(?:\w+ )?(?:\w+ )?(?:\w+ )?for", r"in case(?: of)?",
    r"in the event(?: of)?", r"should(?: (?:you|he|she|they|there|symptoms|the patient|any))(?: develop| have| experience| notice| get)?",
    r"call(?: \w+){0,3} (?:for|if|with)", r"(?:watch|look)(?:ing)?(?: out)? for(?: \w+)?(?: signs of)?", r"notify (?:\w+ ){0,4}(?:of|for|if)",
    r"monitor(?:ing|ed)? (?:\w+ )?for(?! (?:improvement|progression|stability|resolution))",
    r"risks?(?: and benefits)?(?:,| of| for| to include| which include| included?| including|:)(?: develop\w+)?", r"risk factors? for",
    r"(?:at|increased|high|low|elevated)(?: \w+)? risk (?:of|for)", r"(?:chance|likelihood|incidence|odds) of (?:developing|getting|having|another)?",
    r"(?:lower|reduce|decrease|minimi[sz]e)s? (?:the |his |her |your )?(?:chances?|risk|likelihood) of", r"prevent(?:ion of|ion against|ive for|s|ing)?",
    r"prophyla\w+(?: for| against|:)", r"ppx(?: for|:)", r"(?:to|in order to|so as to) (?:prevent|avoid)", r"avoid(?:ing|s)?",
    r"protects? (?:\w+ )?(?:against|from)", r"keep (?:you|him|her|yourself|them) from(?: (?:having|getting|developing)(?: another)?)?",
    r"so (?:that )?(?:you|he|she|they|we) (?:do(?:es)?n['\u2019]t|do(?:es)? not|won['\u2019]t|will not) (?:get|develop|have|end up with)",
    r"(?:side|adverse) effects? (?:of|such as|including)(?: \w+ such as)?", r"precautions?(?: for|:| given for| including)",
    r"warning(?: signs)? (?:for|of|about)", r"advised (?:to|about|regarding)", r"educat(?:ed|ion) (?:on|about|regarding)", r"(?:as needed|only) (?:for|if)",
    r"p\.?r\.?n\.?(?: for)?", r"unless", r"potential(?: for)?(?: complications)?(?: including| of)?",
    r"(?:know|recogni[sz]e|review\w*|aware of|taught|teach)(?: \w+){0,3} (?:signs|symptoms) of",
    r"complications? (?:such as|including|include|of \w+ include)",
    r"(?:can|may|might|could|will)(?: \w+)? (?:cause|lead to|result in|trigger|develop|experience|occur|make you)",
    r"would (?:\w+ )?(?:be|need|require|treat|start|transfuse|consider|give|add|stop|hold)(?! \w+ed\b)", r"contraindicated in",
    r"(?:vaccin\w+|immuni[sz]\w+) (?:for|against)", r"discussed the (?:risk|possibility)", r"expos(?:ed|ure) to", r"screen(?:ing|ed|s)?(?: \w+)? (?:for)",
    r"(?:stop|discontinue|hold)(?: \w+){0,3} for any", r"low threshold (?:to|for)(?: \w+){0,2}(?: for)?", r"in order not to", r"due for your",
    r"surveillance for", r"(?:ed|er|sooner|earlier) (?:for|if|with)",
)  # fmt: skip
_HYPOTHETICAL_AFTER = _words(
    r"(?:(?!and|or|with)\w+ )?(?:prevention|prophylaxis|ppx|precautions?|vaccin\w+|immuni[sz]ation|booster|shot|screening|screen|risk(?! for| of))",
    r"warning signs",
)  # fmt: skip
# Turned round: "should fever develop".
_SHOULD = re.compile(r"(?:^|[,;:]|\band\b|\bor\b)\s*should (?:the |his |her |any |your |her |a |an |new |worsening )*$", re.I)
_HAPPENS = re.compile(r"^(?:[\w ,]{0,25}? )?(?:develop|occur|recur|worsen|return|arise|appear|happen|persist|come back|continue|increase|be)\b", re.I)

_YEAR = r"(?:(?:19|20)\d\d(?:s)?)"
_COUNT = r"(?:\d+\+?|a few|several|many|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|some)"
# When it was: these date a mention on either side of them in its clause.
_TIMES = _words(
    r"(?:about |approximately |around |over |~)?" + _COUNT + r" (?:years?|yrs?|decades?) (?:ago|back|earlier)", r"years ago", r"(?<!the )last year",
    r"back in \w+", r"in (?:the )?(?:early |late |mid-?)?" + _YEAR,
    r"(?:as|when (?:i|he|she|patient) was) (?:an? )?(?:\w+ )?(?:child|kid|teen\w*|baby|infant|young|boy|girl|adolescent|student)(?: (?:man|woman))?",
    r"when (?:i|he|she) was in (?:the )?\w+",
    r"in (?:his|her|my|their) (?:early |late |mid-?)?(?:teens|twenties|thirties|20s|30s|youth|childhood|infancy|adolescence)",
    r"in (?:childhood|infancy|adolescence|youth|college|high school|grade school|the (?:army|navy|military|service|air force|marines))",
    r"at (?:age |the age of )\d+", r"at \d+ (?:months?|years?)(?: old| of age)?(?! follow| postop)",
    r"in the (?:remote |distant )?past(?! (?:week|month|few|day|year|\d))",
)  # fmt: skip
_PAST_BEFORE = _words(
    r"(?:remote|distant|prior|previous|past|old|former|childhood)(?: personal)?(?: history of| hx of| h/o| episodes? of| bouts? of)?", r"resolved",
    r"resolution of", r"previous(?:ly)?(?: had| treated for| diagnosed with| seen| noted)?", r"formerly", r"recovered from", r"cured of",
    r"used to (?:have|get|be|suffer from)", r"years ago", r"(?:old|remote) healed", r"over (?:her|his) (?=\w)",
)  # fmt: skip
_OPERATED = _words(r"status[- ]post", r"s/p")
_ACCIDENT = re.compile(r"^\W*(?:\w+ )?(?:fall|mvc|mva|mcc|assault|injury|trauma|accident)\b(?!.*\b(?:19|20)\d\d\b)", re.I)
_PAST_AFTER = _words(
    r"(?:(?:has|have|had|is|was|are|were|now|since|completely|fully|also|all|has now|which|that|and|again|repleted) )*(?:resolved(?!,? (?:but|then|"
    r"and then|only))|subsided|healed|cured|outgrown|cleared(?: up| right up)?|gone(?! to| with))", r"(?:went|gone) away", r"grew out of it", r"outgrew",
    r"in (?:complete |full |sustained |long-?term )*remission(?! (?:on|with))", r"previously", r"fully recovered", r"full recovery", r"recovered",
    r"(?:(?:and|but) )?never came back", r"but not since",
    r"(?:none|not|never|no (?:recurrence|episode|seizure|symptom|flare|attack|problem|issue)s?)(?: \w+)? since", r"none recent",
    r"no (?:evidence of )?(?:recurrences?|disease)", r"ned", r"(?:cancer|disease)[- ]free", r"considered cured",
    r"no longer (?:an issue|present|a problem|symptomatic)", r"clear (?:ever )?since",
)  # fmt: skip
_ELSEWHERE = re.compile(r"\b(?:with|last|history|without)\b|,\s*(?:she|he|i|they|which|but|was)\b|\d ?[mc]m\b", re.I)
_DATE_AFTER = re.compile(r"^(?:[^.;]{0,12}?|,? (?:s/p|status[- ]post) [\w -]{0,30}?)[\s(,]\(?" + _YEAR + r"\b")
_CHRONIC = re.compile(
    r"diabet|\bdm\b|\bdm2|hypertension|\bhtn\b|copd|emphysema|heart failure|\bchf\b|\bcad\b|coronary|kidney disease|\bckd|esrd|crohn|ulcerative|arthritis|"
    r"lupus|"
    r"parkinson|sclerosis|alzheimer|dementia|hypothyroid|hyperlipid|cirrhosis|psoria|bipolar|schizo|fibrillation|glaucoma|osteoporosis|fibromyalgia|"
    r"hepatitis b|\bhiv\b|epilepsy|neuropathy|metasta",
    re.I,
)
# Dated, but from then on: "diagnosed in 2011", "since 2014"; or treated at this moment.
_ONGOING = _words(
    r"diagnos\w+", r"dx(?:'?d|ed)?", r"since(?! (?:the|that|then|menopause|surgery)\b)", r"onset", r"began", r"started", r"ongoing", r"persist\w*",
    r"continu\w*", r"still", r"recurr(?:ent|ed|ing)", r"known", r"worse(?:ning)?", r"cycle", r"metasta\w+", r"progress\w+", r"stage", r"pod", r"symptomatic",
    r"placed", r"implant\w*", r"pacemaker", r"currently on", r"on (?:\w+(?:mab|nib|ate|ine|xate|one|lol|ril|pine|statin))",
)  # fmt: skip
_FAMILY = _words(
    r"(?:his |her |patient'?s |the |both |of |my |our |maternal |paternal |older |younger |oldest |youngest |late |twin |"
    r"half[- ])*" + _KIN + r"(?:['\u2019]s?)?(?! (?:reports?|states?)\b)",
    r"family (?:medical |health )?(?:history|hx)(?: is)?(?: positive| significant| notable| remarkable)?(?: of| for)?", r"fh(?:x)?(?: of|:)?",
    r"fam hx(?: of)?", r"runs in (?:the|her|his|my) family", r"first[- ]degree relative\w*", r"familial history", r"(?:in|of) (?:your|his|her|my|the) family",
    r"(?:mother|father|mom|dad)'?s side",
)  # fmt: skip
_FAMILY_AFTER = _words(
    r"(?:in|of) (?:(?:his|her|the|my|a|both|several|maternal|paternal|older|younger|twin|and) )*(?:" + _KIN + r"|family|relatives?)",
    r"runs in (?:\w+ )?family", r"on (?:his|her|the|my) (?:mother|father|mom|dad|maternal|paternal)(?:'s)? side",
)  # fmt: skip
_OTHER = _words(
    r"(?:his |her |my |the |our |another |best |close |several |late |sexual |a )*" + _MATES + r"(?:['\u2019]s)?",
    r"(?:organ |deceased |living |kidney )*donor(?:'s)?", r"recipient", r"sick contacts?(?: with)?",
    r"(?:the )?(?:other|another) (?:driver|passenger|resident|child|patient|student|player|kid|person)",
    r"(?:a|an|several|some|other|multiple|one)(?: \w+){0,2} (?:guy|man|woman|lady|person|people|child|kid|children|kids|students?|residents?|employees?|"
    r"passengers?|members?) (?:in (?:his|her|my|the|their) (?:\w+ )?(?:class|daycare|school|office|unit|dorm|facility|household|team|class)(?: class)?|"
    r"at (?:\w+ )?(?:work|daycare|school|church|camp|the \w+)|on (?:the|his|her) (?:same )?(?:unit|floor|team|ward))",
)  # fmt: skip
_HAS = re.compile(
    r"\b(?:has|had|have|having|was|were|is|with|sick|suffer\w*|sustained|tested|diagnosed|got|came down|caught|treated|developed|positive)\b|['\u2019]s\b|"
    r":", re.I
)
# Who the sentence turns to: the patient. In the first person ("my father did and he got") "he" isn't the patient.
_PATIENT = _words(r"patient", r"pt", r"she", r"he", r"i", r"me", r"my", r"the (?:child|baby|infant|boy|girl)", r"here for", r"genetic", r"but (?:his|her) own")
_SPEAKER = _words(r"i", r"me", r"i'm", r"i've", r"patient", r"my(?! (?:mother|father|mom|dad|sister|brother|family))")
_TERMINATOR = _words(
    r"but", r"however", r"although", r"though", r"except(?: for)?", r"with the exception of", r"aside from", r"apart from", r"other than", r"yet", r"still",
    r"which", r"who", r"because", r"since", r"secondary to", r"due to", r"therefore", r"so", r"while", r"whereas", r"despite", r"in spite of",
    r"presents?(?: with| for| today)?", r"presented(?: with)?", r"reports?", r"reported", r"endorses?", r"complain(?:s|ed|ing)(?: of)?", r"admits?(?: to)?",
    r"does (?:have|report|endorse|admit)", r"positive for", r"notes", r"states", r"developed", r"sustained", r"and that",
    r"(?:newly|recently|previously) diagnosed", r"it['\u2019]s", r"it is", r"this is", r"(?:and|just|then) (?:has|is|does|did|was|had|feels?|get|my)",
    r"(?:she|he) (?:has|is|does|was|reports|did|had)", r"patient (?:has|is|reports|was|had)", r"i (?:do|get|have|am)", r"there (?:is|are|was|were)",
    r"found to have", r"diagnosed with", r"now", r"today", r"currently", r"remains", r"continues?", r"start(?:ed)?", r"given", r"will",
    r"treat(?:ed)?(?: with| for| as)", r"on exam", r"with (?:mild|moderate|severe|stable|chronic|acute|known|a|an|persistent)",
    r"in (?:a|this|an) [\w -]{0,20}?(?:patient|man|woman|male|female)(?: with)?", r"in (?:the )?setting of", r"failed", r"begin", r"refer(?:red)?",
    r"\(?\+\)?",
)  # fmt: skip
_TURN = _words(  # what ends conditional text
    r"but", r"however", r"given", r"because", r"due to", r"for (?:his|her|your)(?= )", r"currently", r"today", r"patient (?:has|is|reports)",
    r"(?:and|but|as|since|because|that) (?:she|he) (?:has|is|reports|had)", r"of (?:his|her|your)(?= )", r"(?:and|but) there (?:is|are)", r"found to have",
    r"start(?:ed)? on", r"with result(?:ant|ing)", r"resulting in",
)  # fmt: skip
_SETTLED = re.compile(  # "may be contributing to his [hypertension]": the doubt is about the cause
    _TERMINATOR.pattern + r"|\b(?:that|to|of|by|from|with|in|on|for) (?:his|her|your|the patient['\u2019]s)\b", re.I
)
_CLOSE = _words(
    r"but", r"however", r"now", r"today", r"currently", r"on exam", r"here for", r"presents?(?: with| for)?", r"presented",
    r"new", r"who", r"also", r"except(?: for)?", r"complain\w*", r"comes? in",
)
_CLOSE_OR_LIST = re.compile(_CLOSE.pattern + r"|,(?! and\b)|\bfollow", re.I)
_HARD_STOP = re.compile(r"[;]|\.(?=\s|,|[A-Za-z]{4})|\n\s*\n|\s-\s|\u2022")
_PLURAL = re.compile(r"(?:have|were|are|all|both)\b|,? ?(?:all|both)\b", re.I)
# A question and its answer: "Any chest pain? Patient: no."
_ASKED = re.compile(r"[^.?!\n]{0,40}\?\s*(?:[a-z]+:\s*)?(?P<answer>no|nope|nah|never|not really|none)\b(?! (?:change|better|different))", re.I)
_SIGN = re.compile(r"(?:(?:^|[\s,(])(?P<minus>-|\(-\)\s?)|(?:^|[\s,;(/])(?P<doubt>\?{1,2})\s?|(?P<plus>\(?\+\)?)\s?)$")  # "-fever", "?PE", "+cough"
_SIGNED = re.compile(r"(?:^|[\s,(])(?:[-+]|\([-+]\) ?)(?=\w)")
_NEGATED, _POSSIBLE, _HYPOTHETICAL = "negated", "possible", "hypothetical"
_BEFORE = {_NEGATED: _NEGATED_BEFORE, _POSSIBLE: _POSSIBLE_BEFORE, _HYPOTHETICAL: _HYPOTHETICAL_BEFORE}
_AFTER = {_NEGATED: _NEGATED_AFTER, _POSSIBLE: _POSSIBLE_AFTER, _HYPOTHETICAL: _HYPOTHETICAL_AFTER}
_REACH = {_NEGATED: 110, _POSSIBLE: 70, _HYPOTHETICAL: 110}  # characters between cue and mention
_LIST = 320  # the same for a list
_WINDOW = 400  # characters of a sentence that count, on either side: a page without a full stop costs no more than a paragraph
_STOP = {_NEGATED: _TERMINATOR, _POSSIBLE: _SETTLED, _HYPOTHETICAL: _TURN}


@dataclass(frozen=True, slots=True)
class Judgement:
    """An assertion and the words that decided it (None where nothing departed from the default)."""

    assertion: Assertion
    cue: str | None


@dataclass(frozen=True, slots=True)
class _Cue:
    kind: str
    begin: int
    end: int
    text: str


def _outermost(tables: Mapping[str, re.Pattern[str]], window: str) -> list[_Cue]:
    """Return the cues of all tables, without those that stand inside a longer one: "consistent with" in "not consistent with"."""
    found = [_Cue(kind, m.start(), m.end(), m.group()) for kind, table in tables.items() for m in table.finditer(window)]
    return [
        c
        for c in found
        if not any(o.kind != c.kind and o.begin <= c.begin and c.end <= o.end and o.end - o.begin > c.end - c.begin for o in found)
    ]


def _governing(line: str, at: int) -> dict[str, _Cue]:
    """Return, of each kind, the nearest cue before `at` whose scope reaches it."""
    window_begin = max(0, at - _LIST)
    window = line[window_begin:at]
    nearest: dict[str, _Cue] = {}
    for cue in sorted(_outermost(_BEFORE, window), key=lambda c: c.end):
        between = window[cue.end :]
        # A list may be longer: "denies fever, chills, ... and rash".
        near = len(between) <= _REACH[cue.kind] or between.count(",") > len(between) / 40
        if near and not _HARD_STOP.search(between) and not _STOP[cue.kind].search(between):
            nearest[cue.kind] = cue
    return nearest


def _following(line: str, to: int, reach: int = 50) -> _Cue | None:
    """Return the nearest cue after `to` whose scope reaches back to it."""
    window = line[to : to + reach]
    for cue in sorted(_outermost(_AFTER, window), key=lambda c: (c.begin, c.begin - c.end)):
        between = window[: cue.begin]
        if cue.kind == _HYPOTHETICAL:  # "DVT prophylaxis", "influenza vaccine": nothing between
            if not between.strip(" ()"):
                return cue
        elif _reaches_back(between, cue.text):
            return cue
    return None


def _reaches_back(between: str, cue: str) -> bool:
    """Tell whether a cue speaks of what stands before it: "Pneumonia, resolved", "cough and fever were denied"."""
    if re.fullmatch(r"\s*,\s*", between):
        return True
    if _HARD_STOP.search(between) or re.search(r"\b(?:but|with|without|who|which|however|no)\b|\?", between):
        return False
    return not re.search(r"\band\b|\bor\b|,", between) or bool(_PLURAL.match(cue))


def _before(cues: re.Pattern[str], line: str, at: int, stop: re.Pattern[str], reach: int = 110) -> str | None:
    """Return the nearest cue before `at` whose scope reaches it."""
    window = line[max(0, at - reach) : at]
    best: str | None = None
    for match in cues.finditer(window):
        between = window[match.end() :]
        if not _HARD_STOP.search(between) and not stop.search(between):
            best = match.group()
    return best


def _time(line: str, at: int, to: int) -> str | None:
    """Return the words that date the mention: "In 2004, she had", "two years ago"."""
    for match in reversed(list(_TIMES.finditer(line[max(0, at - 110) : at]))):
        between = match.string[match.end() :]
        opens = re.search(r"(?:^|[,.:]|\band)\s*$", match.string[: match.start()])
        if not (_HARD_STOP.search(between) or _CLOSE.search(between) or (not opens and re.search(r",|\band\b", between))):
            return match.group()
    for match in _TIMES.finditer(line[to : to + 70]):
        between = match.string[: match.start()]
        if not (_HARD_STOP.search(between) or _CLOSE.search(between) or _ELSEWHERE.search(between)):
            return match.group()
    return None


def _past(line: str, at: int, to: int) -> str | None:
    """Return the words that say that it is over, or that date it to a past that is gone."""
    over = _before(_PAST_BEFORE, line, at, _CLOSE_OR_LIST, reach=60)
    over = over or next((m.group() for m in _PAST_AFTER.finditer(line[to : to + 70]) if _ends_it(line[to : to + m.start()], m.group())), None)
    if over:
        return over
    dated = _before(_OPERATED, line, at, _CLOSE_OR_LIST, reach=60)
    if dated and _ACCIDENT.search(line[line.rfind(dated, 0, at) + len(dated) :]):
        dated = None
    dated = dated or _time(line, at, to)
    if not dated and (match := _DATE_AFTER.search(line[to:])):
        dated = match.group().strip(" (,")
    if dated and (_CHRONIC.search(line[at:to]) or _ONGOING.search(f"{line[:at]} {line[to:]}")):
        return None
    return dated


def _ends_it(between: str, cue: str) -> bool:
    """Tell whether "resolved", "no recurrence" after a mention speak of it, not of the next one in a list."""
    if _HARD_STOP.search(between) or re.search(r"\b(?:with|without|who|however|which)\b", between):
        return False
    if re.match(r"no|ned|in |not|full|recover|cure|consider|clear|(?:and|but) never|but not|grew|out|went|is|it|cancer|disease", cue, re.I):
        return True
    return _reaches_back(between, cue) or bool(re.match(r"(?:and|but) ", cue, re.I) and "," not in between)


def _experiencer(line: str, at: int, to: int, section: str) -> tuple[Experiencer, str | None]:
    """Return of whom the mention is said, and the words that say so."""
    own = line[max(0, at - 110) : at]
    stop = _SPEAKER if re.search(r"\bmy\b", own, re.I) else _PATIENT
    other = _before(_OTHER, line, at, stop)
    family = _before(_FAMILY, line, at, stop) or next(
        (m.group() for m in _FAMILY_AFTER.finditer(line[to : to + 60]) if not re.search(r"[;.]|\bbut\b", line[to : to + m.start()])), None
    )
    if other and own.rfind(other) > own.rfind(family or "\x01") and _HAS.search(own[own.rfind(other) :]):
        return Experiencer.OTHER, other
    if family or section == "family":
        return Experiencer.FAMILY, family or "family history"
    return Experiencer.PATIENT, None


def _mark(line: str, mask: re.Pattern[str]) -> str:
    """Blank out what only looks like a cue; the length stays, so that offsets hold."""
    return mask.sub(lambda m: "\x00" * len(m.group()), line)


def judge(text: str, sentence: tuple[int, int], mention: tuple[int, int], section: str) -> Judgement:
    """Return the assertion of `text[mention]` in its sentence and section.

    Args:
        text: the note.
        sentence: (begin, end) offsets of the sentence.
        mention: (begin, end) offsets of the mention.
        section: `Section.kind`.
    """
    low, high = mention
    begin, end = max(sentence[0], low - _WINDOW), min(sentence[1], high + _WINDOW)
    before, after = (_mark(_mark(part, _REPORTER), _PSEUDO) for part in (text[begin:low], text[high:end]))
    line, at, to = before + text[low:high] + after, low - begin, high - begin
    result, cues = Assertion(), []

    kind, cue = _certainty(line, at, to)
    sign = _SIGN.search(text[max(0, low - 6) : low])
    if sign and sign["doubt"]:
        kind, cue = _POSSIBLE, sign["doubt"]
    elif sign and sign["plus"]:
        kind, cue = None, None
    elif sign and sign["minus"] and (_SIGNED.search(before[:-2]) or "(" in sign["minus"]):
        kind, cue = _NEGATED, sign["minus"]
    elif kind != _HYPOTHETICAL and (asked := _ASKED.match(text, high)):
        kind, cue = _NEGATED, asked["answer"]
    if kind is None and section == "differential":
        kind, cue = _POSSIBLE, "differential"
    if kind in (None, _HYPOTHETICAL) and section in ("instructions", "immunizations") and not re.search(r"for (?:your|his|her) $", before) and _instructs(line):
        kind, cue = _HYPOTHETICAL, cue or "instructions"
    if kind == _NEGATED:
        result = replace(result, polarity=Polarity.NEGATED)
    elif kind:
        result = replace(result, certainty=Certainty.HYPOTHETICAL if kind == _HYPOTHETICAL else Certainty.POSSIBLE)
    cues.append(cue)
    past = _past(line, at, to) or ("surgical history" if section == "past_surgical" else None)
    if past:
        result = replace(result, temporality=Temporality.HISTORICAL)
        cues.append(past)
    experiencer, who = _experiencer(line, at, to, section)
    cues.append(who)
    return Judgement(replace(result, experiencer=experiencer), next((c for c in cues if c), None))


def _certainty(line: str, at: int, to: int) -> tuple[str | None, str | None]:
    """Return what the cues around the mention make of it (None: nothing), and the deciding cue."""
    governing, following = _governing(line, at), _following(line, to)
    negated, possible, hypothetical = (governing.get(kind) for kind in (_NEGATED, _POSSIBLE, _HYPOTHETICAL))
    excluded = following and re.search(r"ruled out|excluded|differential|considered|concern", following.text, re.I)
    if following and following.kind == _HYPOTHETICAL:
        return _HYPOTHETICAL, following.text
    if _SHOULD.search(line[:at]) and _HAPPENS.search(line[to:].lstrip()):
        return _HYPOTHETICAL, "should"
    if hypothetical and not (negated and negated.end > hypothetical.end):
        return _HYPOTHETICAL, hypothetical.text
    if following and (excluded or not negated):
        return following.kind, following.text
    nearest = max((c for c in (negated, possible) if c), key=lambda c: c.end, default=None)
    return (nearest.kind, nearest.text) if nearest else (None, None)


def has_cue(text: str) -> bool:
    """Tell whether `text` holds words that deny, doubt, or speak of another person."""
    return any(cues.search(text) for cues in (_NEGATED_BEFORE, _NEGATED_AFTER)) or _doubts(text)


def stands_whole(text: str) -> bool:
    """Tell whether `text` may be read as one statement of the patient: what it denies, if anything, comes as an afterthought."""
    return not _doubts(text) and not has_cue(text[: len(text) // 2])


def _doubts(text: str) -> bool:
    return any(cues.search(text) for cues in (_POSSIBLE_BEFORE, _FAMILY, _OTHER))


def _instructs(line: str) -> bool:
    return bool(re.search(r"\b(?:return|call|seek|avoid|watch|monitor|should|if|report any|go to|take|keep)\b", line, re.I))
