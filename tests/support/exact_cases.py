"""Short documents that differ from others in one code, and questions that one of them answers.

The documents are drawn from a seed; the questions were written by hand before any was searched for.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from nestling import Document

NAMES = "Ana Beatriz,Bo Lindgren,Chidi Okafor,Dana Weiss,Emil Novak,Farah Haddad,Grace Mwangi,Hugo Martin".split(",")

QUESTIONS: list[tuple[str, str]] = [
    # tickets
    ("CR-7891234", "ticket-CR-7891234"),
    ("CR 7891234", "ticket-CR-7891234"),
    ("cr-7891243", "ticket-CR-7891243"),
    ("who closed the printer ticket CR-7891342 at the reception desk", "ticket-CR-7891342"),
    ("Ticket (CR-7892134): what was done?", "ticket-CR-7892134"),
    # codes of diseases
    ("E11.9", "icd-E11.9"),
    ("e11.65", "icd-E11.65"),
    ("patient seen for T63.4 in the afternoon clinic", "icd-T63.4"),
    ("diagnosis code t63.44", "icd-T63.44"),
    ("clinic note with ICD code J45.909", "icd-J45.909"),
    # drugs
    ("ampicillin leaflet", "drug-ampicillin"),
    ("how should amoxicillin be stored", "drug-amoxicillin"),
    ("dose of azithromycin for adults", "drug-azithromycin"),
    ("Can clarithromycin be taken while breastfeeding?", "drug-clarithromycin"),
    ("hydroxyzine", "drug-hydroxyzine"),
    ("HYDRALAZINE tablets side effects", "drug-hydralazine"),
    # lots
    ("lot 48B-2207", "lot-48B-2207"),
    ("48b2270 was recalled, which box is it", "lot-48B2270"),
    ("which cold room holds lot 48B-2272?", "lot-48B-2272"),
    # errors
    ("0x80070057", "error-0x80070057"),
    ("update failed with error 0x80070005", "error-0x80070005"),
    ("0X8007000E", "error-0x8007000E"),
    ("what to do when the installer stops with 0x80070570", "error-0x80070570"),
    # mail
    ("ana.weiss@clinic.example", "mail-ana.weiss@clinic.example"),
    ("phone extension of bo.lindgren@clinic.example", "mail-bo.lindgren@clinic.example"),
    ("a.weiss@clinic.example", "mail-a.weiss@clinic.example"),
    # paths
    ("/etc/nginx/sites-enabled/intake.conf", "path-/etc/nginx/sites-enabled/intake.conf"),
    (r"C:\ProgramData\Scanner\logs\feed.log", r"path-C:\ProgramData\Scanner\logs\feed.log"),
    ("which service writes /var/log/backup/nightly.log", "path-/var/log/backup/nightly.log"),
    # versions
    ("3.10.2", "version-3.10.2"),
    ("what changed in release 3.10.12", "version-3.10.12"),
    ("upgrade to v3.1.02", "version-3.1.02"),
    # phones
    ("+41 44 268 12 03", "phone-+41 44 268 12 03"),
    ("who answers 044 268 12 30", "phone-044 268 12 30"),
    # norms
    ("DIN EN ISO 13485", "norm-DIN EN ISO 13485"),
    ("ISO 14971", "norm-ISO 14971"),
    ("din 6868-157 checklist for the display", "norm-DIN 6868-157"),
    # substances
    ("64-17-5", "cas-64-17-5"),
    ("safety sheet for CAS 67-56-1", "cas-67-56-1"),
    ("CAS: 67-63-0, where is it stored", "cas-67-63-0"),
    # genes
    ("BRCA2", "gene-BRCA2"),
    ("result of the brca1 test", "gene-BRCA1"),
    ("variant found in MLH1", "gene-MLH1"),
    # plates
    ("ZH 482 917", "plate-ZH 482 917"),
    ("which driver had the car zh 482 971", "plate-ZH 482 971"),
    # phrases
    ('"left lower quadrant"', "finding-left lower quadrant"),
    ('note that says "right upper quadrant" and tenderness', "finding-right upper quadrant"),
    # law
    ("§ 17 para. 3", "law-17-3"),
    ("what does § 71 para. 3 say about notice of termination", "law-71-3"),
    # parts
    ("spare part 4711-0815-B", "part-4711-0815-B"),
]


def documents(seed: int = 1) -> list[Document]:
    """The collection, in a shuffled order."""
    seeded = random.Random(seed)
    made = [Document(f"{kind}-{code}", text) for kind, code, text in _all(seeded)]
    seeded.shuffle(made)
    return made


def _all(seeded: random.Random) -> Iterator[tuple[str, str, str]]:
    def name() -> str:
        return seeded.choice(NAMES)

    def date() -> str:
        return f"2025-{seeded.randint(1, 12):02}-{seeded.randint(1, 28):02}"

    numbers = [7891234, 7891243, 7891324, 7891342, 7891423, 7891432, 7892134, 7892143, 7892341, 7893124, 7893214]
    numbers += [7891230 + step for step in (0, 1, 2, 3, 5, 6, 7, 8, 9)] + [8791234, 7981234, 789123, 78912345]
    for number in numbers:
        yield (
            "ticket",
            f"CR-{number}",
            (
                f"Ticket CR-{number}, opened {date()} by {name()}. The label printer at the reception desk prints "
                f"blank "
                f"labels. The print head was cleaned and the ribbon replaced. Closed by {name()} after a test print."
            ),
        )

    diseases = {
        "E11.9": "type 2 diabetes without complications", "E11.65": "type 2 diabetes with hyperglycaemia",
        "E11.69": "type 2 diabetes with other specified complication", "E11.8": "type 2 diabetes, unspecified",
        "E11.21": "type 2 diabetes with nephropathy", "E11.22": "type 2 diabetes with chronic kidney disease",
        "E10.9": "type 1 diabetes without complications", "E10.65": "type 1 diabetes with hyperglycaemia",
        "E13.9": "other diabetes without complications", "T63.4": "venom of other arthropods, wasp sting",
        "T63.44": "venom of bees", "T63.46": "venom of wasps", "T63.0": "snake venom", "T36.4": "tetracyclines",
        "J45.909": "asthma, uncomplicated", "J45.901": "asthma with exacerbation", "J45.902": "status asthmaticus",
        "J44.9": "chronic obstructive lung disease", "J44.1": "chronic obstructive lung disease, exacerbation",
        "I10": "high blood pressure", "I11.9": "hypertensive heart disease", "M54.5": "low back pain",
        "M54.50": "low back pain, unspecified", "N39.0": "urinary tract infection", "K35.80": "acute appendicitis",
    }  # fmt: skip
    for code, what in diseases.items():
        yield (
            "icd",
            code,
            (
                f"Clinic note, {date()}. Patient seen by {name()} in the afternoon clinic. Diagnosis code {code}, "
                f"{what}. "
                f"Blood pressure {seeded.randint(110, 150)}/{seeded.randint(65, 95)}. Review in "
                f"{seeded.randint(2, 12)} weeks."
            ),
        )

    drugs = (
        "amoxicillin ampicillin azithromycin clarithromycin erythromycin cefalexin cefazolin ceftriaxone cefuroxime "
        "hydroxyzine hydralazine hydrochlorothiazide hydrocortisone prednisone prednisolone clonidine clonazepam "
        "clozapine lorazepam loratadine metformin metoprolol metronidazole methotrexate chlorpromazine chlorpropamide "
        "vinblastine vincristine dopamine dobutamine tramadol trazodone lamotrigine lamivudine"
    ).split()
    for drug in drugs:
        form = seeded.choice(["tablets", "capsules", "oral suspension"])
        yield (
            "drug",
            drug,
            (
                f"Package leaflet: {drug} {form}. Take the dose that your doctor has told you, for adults usually "
                f"{seeded.choice([1, 2, 3])} times a day. Side effects may be nausea, rash or dizziness. Ask your "
                f"doctor "
                f"before you take {drug} while pregnant or breastfeeding. Store below {seeded.choice([25, 30])} °C."
            ),
        )

    lots = ["48B-2207", "48B-2270", "48B-2272", "48B-2277", "48D-2207", "84B-2207", "48B-2707", "48B-7207", "48B2270"]
    lots += [f"48B-22{number:02}" for number in range(10, 24)]
    for lot in lots:
        yield (
            "lot",
            lot,
            (
                f"Vaccine delivery of {date()}: lot {lot}, {seeded.randint(2, 40)} boxes, received by {name()} and "
                f"put in "
                f"cold room {seeded.randint(1, 4)}. The logger showed {seeded.uniform(2, 8):.1f} °C on arrival."
            ),
        )

    errors = (
        "0x80070057 0x80070005 0x8007000E 0x8007000D 0x80070570 0x80070002 0x80070003 0x80070020 0x80070070 0x800700C1 "
        "0x80070422 0x80072EE2 0x80072EFD 0x80073712 0x80240034 0x80244022 0x80700057 0x80007057 0xC0000005 0xC0000135"
    ).split()
    for error in errors:
        yield (
            "error",
            error,
            (
                f"Known problem: the update of the scanner workstation stops with error {error}. Restart the installer "
                f"service, free {seeded.randint(2, 20)} GB of disk space and run the update again. Reported by "
                f"{name()}."
            ),
        )

    people = [
        "ana.weiss",
        "anna.weiss",
        "a.weiss",
        "ana.weis",
        "bo.lindgren",
        "bo.lindgreen",
        "b.lindgren",
        "bob.lindgren",
    ]
    people += [
        "chidi.okafor",
        "c.okafor",
        "dana.novak",
        "d.novak",
        "emil.novak",
        "farah.haddad",
        "f.haddad",
        "grace.mwangi",
    ]
    for person in people:
        yield (
            "mail",
            f"{person}@clinic.example",
            (
                f"Staff directory: {person}@clinic.example, phone extension {seeded.randint(1000, 9999)}, room "
                f"{seeded.choice('ABC')}{seeded.randint(100, 399)}. Present on weekdays from eight to four."
            ),
        )

    paths = [
        "/etc/nginx/sites-enabled/intake.conf", "/etc/nginx/sites-available/intake.conf",
        "/etc/nginx/conf.d/intake.conf",
        "/etc/nginx/sites-enabled/archive.conf", "/etc/nginx/nginx.conf", "/var/log/backup/nightly.log",
        "/var/log/backup/weekly.log", "/var/log/nightly/backup.log", "/var/lib/backup/nightly.log",
        r"C:\ProgramData\Scanner\logs\feed.log", r"C:\ProgramData\Scanner\logs\scan.log",
        r"C:\ProgramData\Scanner\feed\logs.log", r"C:\Program Files\Scanner\logs\feed.log",
        r"D:\ProgramData\Scanner\logs\feed.log", "/opt/intake/bin/run.sh", "/opt/intake/bin/stop.sh",
        "~/.config/intake.toml",
    ]  # fmt: skip
    for path in paths:
        yield (
            "path",
            path,
            (
                f"Operations handbook. The service for {seeded.choice(['intake', 'archive', 'reports'])} writes and "
                f"reads "
                f"{path}. Look there first when it does not start. {name()} keeps the file under version control."
            ),
        )

    versions = (
        "3.10.2 3.10.1 3.10.12 3.10.20 3.1.02 3.1.0 3.1.2 3.2.10 3.12.0 3.11.2 2.10.3 2.3.10 10.2.3 3.10 3.10.2.1"
    ).split()
    for version in versions:
        yield (
            "version",
            version,
            (
                f"Release notes for version {version} of the ward planner, {date()}. Fixes a crash when a shift "
                f"crosses "
                f"midnight, and makes the export to spreadsheets {seeded.randint(2, 9)} times faster."
            ),
        )

    phones = ["+41 44 268 12 03", "+41 44 268 12 30", "+41 44 268 21 03", "+41 44 286 12 03", "+41 43 268 12 03"]
    phones += ["044 268 12 30", "044 268 13 20", "044 268 32 10", "+49 44 268 12 03", "+41 44 268 12 33"]
    for phone in phones:
        yield (
            "phone",
            phone,
            (
                f"On-call list, week {seeded.randint(1, 52)}: {name()} answers {phone} at night, and from eight "
                f"o'clock "
                "the front desk does. If nobody answers, call the ward."
            ),
        )

    norms = (
        "DIN EN ISO 13485,DIN EN ISO 13458,DIN EN ISO 14971,ISO 14971,ISO 14917,ISO 13485,DIN 6868-157,DIN 6868-159,"
        "DIN 6868-57,DIN 6868-13,ISO 9001,ISO 9000,ISO 27001,ISO 27701,IEC 62304,IEC 62366-1,IEC 60601-1,IEC 60601-1-2"
    ).split(",")
    for norm in norms:
        yield (
            "norm",
            norm,
            (
                f"Audit checklist under {norm}: the responsible person, {name()}, signs the record, and the test "
                f"images of "
                f"the display are kept for {seeded.randint(2, 10)} years. Last audit on {date()}."
            ),
        )

    substances = {
        "64-17-5": "ethanol", "64-18-6": "formic acid", "64-19-7": "acetic acid", "67-56-1": "methanol",
        "67-63-0": "isopropanol", "67-64-1": "acetone", "67-66-3": "chloroform", "71-23-8": "propanol",
        "71-43-2": "benzene", "75-09-2": "dichloromethane", "50-00-0": "formaldehyde", "7647-01-0": "hydrochloric acid",
        "7664-93-9": "sulfuric acid", "7697-37-2": "nitric acid", "7722-84-1": "hydrogen peroxide", "1310-73-2": "lye",
    }  # fmt: skip
    for code, what in substances.items():
        yield (
            "cas",
            code,
            (
                f"Safety sheet for {what}, CAS {code}. Stored in cabinet {seeded.randint(1, 9)} of the laboratory. "
                f"Wear "
                f"gloves and goggles; wash spills with plenty of water. Checked by {name()} on {date()}."
            ),
        )

    genes = "BRCA1 BRCA2 BRAF MLH1 MSH2 MSH6 PMS2 PALB2 TP53 TP63 CHEK1 CHEK2 ATM ATR CDH1 CDK4 CDKN2A KRAS NRAS HRAS"
    for gene in genes.split():
        yield (
            "gene",
            gene,
            (
                f"Laboratory report of {date()}: the sequence of {gene} was read in full. One variant of unknown "
                f"meaning "
                f"was found in exon {seeded.randint(2, 20)}. The result was explained to the patient by {name()}."
            ),
        )

    plates = [
        "ZH 482 917",
        "ZH 482 971",
        "ZH 428 917",
        "ZH 842 917",
        "ZG 482 917",
        "SH 482 917",
        "ZH 482 179",
        "ZH 917 482",
    ]
    for plate in plates:
        yield (
            "plate",
            plate,
            (
                f"Vehicle log: {name()} drove the car {plate} on {date()}, {seeded.randint(5, 180)} km, and left it "
                f"with a "
                "full tank in the lower garage."
            ),
        )

    for side in ("left", "right"):
        for height in ("lower", "upper"):
            for site in ("quadrant", "lobe", "limb", "eyelid"):
                yield (
                    "finding",
                    f"{side} {height} {site}",
                    (
                        f"Examination on {date()} by {name()}: there is tenderness over the {side} {height} {site}, "
                        f"none on "
                        "the other side. No guarding, no rash. Pulse and temperature are normal."
                    ),
                )

    for section, paragraph in (
        (17, 3),
        (17, 2),
        (17, 1),
        (71, 3),
        (71, 2),
        (173, 1),
        (37, 1),
        (13, 7),
        (31, 7),
        (3, 17),
        (7, 13),
    ):
        yield (
            "law",
            f"{section}-{paragraph}",
            (
                f"§ {section} para. {paragraph} of the tenancy rules. Notice of termination is given in writing, at "
                f"the "
                f"latest on the third working day of a month, and takes effect at the end of month "
                f"{seeded.randint(2, 9)}."
            ),
        )

    parts = [
        "4711-0815-B",
        "4711-0815-A",
        "4711-0851-B",
        "4717-0815-B",
        "4711-8015-B",
        "7411-0815-B",
        "4711-0815",
        "0815-4711-B",
    ]
    parts += [f"4711-08{number}-B" for number in range(20, 42)]
    for part in parts:
        yield (
            "part",
            part,
            (
                f"Spare part {part}: seal ring for the pump of the steam steriliser, {seeded.randint(10, 60)} mm, "
                f"pack of "
                f"{seeded.choice([1, 2, 5, 10])}. Fits machines built since {seeded.randint(1995, 2020)}. Ordered by "
                f"{name()}."
            ),
        )
