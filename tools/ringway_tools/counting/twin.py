"""Compares the path of an established TCP connection's frames with its twin in C, instruction by instruction.

The twin (Benchmarks/Twin) makes the same checks, look-ups and effects on the same frames, is compiled by the same
compiler's back end, and lies in one file, so that everything may be inlined. Writes twin.md and
twin.json, in .build/counts unless --write says perf/.
"""

from ringway_tools.command import Command
from ringway_tools.counting import callgrind, report

COMMAND = Command("twin")


PAIRS = ["Receive.SuperFrame", "Receive.1460", "Receive.64", "Transmit.SuperFrame", "Transmit.64"]
BOUND = 1.10


def arguments_given():
    parser = COMMAND.parser(__doc__)
    parser.add_argument(
        "--check", action="store_true", help=f"fail when Swift costs more than {BOUND:.2f} times C; nothing is written")
    report.add_option(parser)
    return parser.parse_args()


def run():
    arguments = arguments_given()
    report.choose(arguments)
    callgrind.require()
    costs = callgrind.count([f"{side}.{pair}" for pair in PAIRS for side in ("TCP", "Twin")])
    rows = []
    for pair in PAIRS:
        swift, c = costs[f"TCP.{pair}"][0], costs[f"Twin.{pair}"][0]
        rows.append({"path": pair, "swift": round(swift, 1), "c": round(c, 1), "ratio": round(swift / c, 3)})
    table = report.table(
        ["path", "Swift", "C", "Swift / C"],
        [[row["path"], f"{row['swift']:.0f}", f"{row['c']:.0f}", f"{row['ratio']:.2f}"] for row in rows])
    print(table)
    if arguments.check:
        return 1 if any(row["ratio"] > BOUND for row in rows) else 0
    text = f"""# The data path and its twin in C

Instructions for one frame, headers to effects, the made-up guest and host included (they do the same in both). A
receive is a segment or super-frame from the guest, parsed, found, parked, sent to the host and acknowledged:
super-frames one by one, segments sixteen to an acknowledgement. A transmit is a payload from the host that gets its
headers, goes out, and is acknowledged by the guest. The aim is {BOUND:.2f} at the most.

{table}
Counted by callgrind on {report.machine()}; written by `tools/twin`.
"""
    report.write("twin", text, {"machine": report.machine(), "instructions": rows})
    return 0


def main():
    COMMAND.run(run, 2)
