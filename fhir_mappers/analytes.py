"""The unit in which each common test is usually reported in the United States, and what it takes to convert to it.

LOINC codes and example units: LOINC (Regenstrief Institute), "example UCUM units". Molar masses: IUPAC standard atomic weights 2021;
haemoglobin per monomer (16,114 g/mol), triglycerides as triolein, urea nitrogen as two nitrogen atoms, as laboratories convert them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Analyte:
    """How a test is reported: `unit` is UCUM; `molar_mass` in g/mol and `valence` link mass, substance and charge."""

    unit: str
    molar_mass: float | None = None
    valence: int = 1


_GROUPS: tuple[tuple[Analyte, str], ...] = (
    (Analyte("mg/dL", 180.156), "2345-7 2339-0 1558-6 14749-6 15074-8 41653-7 2340-8 1547-9 14771-0"),  # glucose
    (Analyte("%"), "4548-4 17856-6 4549-2 59261-8"),  # haemoglobin A1c
    (Analyte("mg/dL", 113.118), "2160-0 14682-9 38483-4"),  # creatinine
    (Analyte("mg/dL", 28.014), "3094-0 6299-2 14937-7"),  # urea nitrogen
    (Analyte("mL/min/{1.73_m2}"), "33914-3 62238-1 48642-3 48643-1 88293-6 88294-4 69405-9 98979-8 77147-7 50044-7"),  # eGFR
    (Analyte("g/dL", 16114.0), "718-7 20509-6 30313-1 59260-0 30350-3"),  # haemoglobin
    (Analyte("%"), "4544-3 20570-8 31100-1"),  # haematocrit
    (Analyte("10*3/uL"), "6690-2 804-5 26464-8 49498-9 777-3 26515-7 751-8 26499-4 731-0 26474-7 711-2 26449-9"),  # leukocytes, platelets, neutrophils, ...
    (Analyte("10*6/uL"), "789-8 26453-1"),  # erythrocytes
    (Analyte("fL"), "787-2 30428-7"),  # MCV
    (Analyte("mmol/L"), "2951-2 2947-0 2823-3 2824-1 6298-4 2075-0 2069-3 2028-9 1963-8 1959-6 20565-8 33037-3 10466-1"),  # Na, K, Cl, CO2, anion gap
    (Analyte("mg/dL", 40.078, 2), "17861-6 2000-8"),  # calcium
    (Analyte("mmol/L", 40.078, 2), "1994-3 1995-0 17863-2"),  # calcium, ionised
    (Analyte("mg/dL", 24.305, 2), "19123-9 2601-3"),  # magnesium
    (Analyte("mg/dL", 30.974), "2777-1 14879-1"),  # phosphate, as phosphorus
    (Analyte("g/dL"), "1751-7 2885-2 61151-7 10834-0"),  # albumin, total protein, globulin
    (Analyte("mg/dL"), "14338-8"),  # prealbumin
    (Analyte("mg/dL", 584.66), "1975-2 14631-6 1968-7 14629-0"),  # bilirubin
    (Analyte("U/L"), "1920-8 1742-6 6768-6 3040-3 1798-8 2157-6 2532-0 14804-9 2324-2"),  # enzymes
    (Analyte("1"), "6301-6 34714-6"),  # INR
    (Analyte("s"), "5902-2 3173-2 14979-9"),  # PT, aPTT
    (Analyte("mmol/L", 90.078), "2524-7 32693-4 2518-9 2519-7 59032-3"),  # lactate
    (Analyte("ng/mL"), "10839-9 49563-0 6598-7 42757-5 48425-3"),  # troponin, conventional
    (Analyte("ng/L"), "89579-7 89577-1 67151-1 89576-3"),  # troponin, high sensitivity
    (Analyte("pg/mL"), "30934-4 42637-9 33762-6 83107-3"),  # BNP, NT-proBNP
    (Analyte("m[IU]/L"), "3016-3 11580-8 11579-0"),  # TSH
    (Analyte("ng/dL", 776.87), "3024-7 14920-3"),  # free T4
    (Analyte("mg/dL", 386.65), "2093-3 14647-2 2085-9 14646-4 13457-7 18262-6 2089-1 22748-8"),  # cholesterol, HDL, LDL
    (Analyte("mg/dL", 885.43), "2571-8 14927-8"),  # triglycerides
    (Analyte("ng/mL"), "2276-4 20567-4 33959-8 75241-0 2857-1 48065-7"),  # ferritin, procalcitonin, PSA, D-dimer
    (Analyte("ug/dL", 55.845), "2498-4 14798-3 2500-7 14800-7"),  # iron, binding capacity
    (Analyte("%"), "2502-3 14801-5"),  # transferrin saturation
    (Analyte("pg/mL", 1355.37), "2132-9 14685-2"),  # vitamin B12
    (Analyte("ng/mL", 441.40), "2284-8 14732-2"),  # folate
    (Analyte("ng/mL", 400.64), "1989-3 35365-6 62292-8 14635-7"),  # 25-hydroxyvitamin D
    (Analyte("mg/dL", 168.11), "3084-1 14933-6"),  # urate
    (Analyte("ug/dL", 17.031), "1841-6 22763-7 16362-6"),  # ammonia
    (Analyte("mg/L"), "1988-5 30522-7"),  # C-reactive protein
    (Analyte("mm/h"), "30341-2 4537-7 18184-2"),  # sedimentation rate
    (Analyte("mosm/kg"), "2692-2 2695-5"),  # osmolality
    (Analyte("[pH]"), "2744-1 11558-4 2746-6 33254-4"),  # pH of blood
    (Analyte("mm[Hg]"), "2703-7 19255-9 2705-2 2019-8 32771-8 2021-4 11556-8 11557-6"),  # pO2, pCO2
    (Analyte("mg/g", 113.118), "9318-7 14959-1 32294-1 13705-9 30000-4 14958-3"),  # albumin/creatinine in urine; the mass is creatinine's
    (Analyte("%"), "10230-1 8806-2 18043-0 8808-8 8807-0 18045-5"),  # ejection fraction
    (Analyte("{score}"), "44261-6 9269-2 70274-6 55758-7 72107-6 9267-6 9268-4 9270-0"),  # PHQ-9, Glasgow coma scale, GAD-7, PHQ-2, MMSE
    # Vital signs
    (Analyte("kg"), "29463-7 3141-9 8339-4 8335-2"),
    (Analyte("cm"), "8302-2 8306-3 8287-5 9843-4 8280-0"),
    (Analyte("kg/m2"), "39156-5"),
    (Analyte("Cel"), "8310-5 8331-1 8332-9 8333-7 8328-7 8329-5"),
    (Analyte("mm[Hg]"), "8480-6 8462-4 8478-0"),
    (Analyte("/min"), "8867-4 9279-1"),
    (Analyte("%"), "2708-6 59408-5 3150-6"),
)
ANALYTES: dict[str, Analyte] = {code: analyte for analyte, codes in _GROUPS for code in codes.split()}
