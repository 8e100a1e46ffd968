"""Draws lines on logarithmic axes as SVG."""

import math

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 720, 400, 70, 20, 50, 180
COLOURS = ["#0b6e99", "#d9730d", "#ad1a72", "#787774"]


def scale(low, high, start, end):
    """Maps low..high to start..end by logarithms."""
    span = math.log(high / low) or 1
    return lambda value: start + (end - start) * math.log(value / low) / span


def write(path, lines, across, up):
    """Writes lines, name -> [(x, y)], with the axes' names."""
    xs = sorted({x for line in lines.values() for x, _ in line})
    ys = [y for line in lines.values() for _, y in line]
    low, high = 2 ** math.floor(math.log2(min(ys))), 2 ** math.ceil(math.log2(max(ys)))
    place_x = scale(xs[0], xs[-1], LEFT, WIDTH - RIGHT)
    place_y = scale(low, high, HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for x in xs:
        parts.append(f'<text x="{place_x(x):.0f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x}</text>')
    y = low
    while y <= high:
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place_y(y):.0f}" y2="{place_y(y):.0f}" stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{place_y(y) + 4:.0f}" text-anchor="end">{y:g}</text>')
        y *= 2
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 10}" text-anchor="middle">{across}</text>')
    parts.append(f'<text x="12" y="{TOP + 4}">{up}</text>')
    for index, (name, line) in enumerate(lines.items()):
        colour = COLOURS[index % len(COLOURS)]
        points = " ".join(f"{place_x(x):.1f},{place_y(y):.1f}" for x, y in line)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(
            f'<rect x="{WIDTH - RIGHT + 15}" y="{TOP + 20 * index}" width="12" height="12" fill="{colour}"/>'
            f'<text x="{WIDTH - RIGHT + 33}" y="{TOP + 20 * index + 10}">{name}</text>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(parts + ["</svg>"]) + "\n")
