# Verdicts on the cases of an acceptance, for scripts that run inside a guest: NAME, PASS or FAIL, seconds and text,
# with tabs between them.

uptime_hundredths() { sed 's/\([0-9]*\)\.\([0-9]*\) .*/\1\2/' /proc/uptime; }

fail() {
    echo "$*"
    exit 1
}

# Runs one case in a shell of its own; the last thing it says is its text.
judge() {
    start=$(uptime_hundredths)
    if text=$("$2" 2>&1); then verdict=PASS; else verdict=FAIL; fi
    took=$(($(uptime_hundredths) - start))
    printf '%s\t%s\t%d.%02d\t%s\n' "$1" "$verdict" $((took / 100)) $((took % 100)) \
        "$(echo "$text" | tail -n 3 | tr '\n\t' '  ')"
}
