"""Reads `cargo metadata` from standard input and applies deny.toml's licences and bans to it."""

import json
import pathlib
import re
import sys
import tomllib

rules = tomllib.loads((pathlib.Path(__file__).parent.parent / "deny.toml").read_text())
allowed = set(rules["licenses"]["allow"])
banned = {ban["crate"]: ban["reason"] for ban in rules["bans"]["deny"]}


def satisfied(expression: str) -> bool:
    """Whether an SPDX expression can be met: `/` is the old spelling of OR."""
    expression = expression.replace("/", " OR ")
    tokens = re.findall(r"\(|\)|\bOR\b|\bAND\b|[^\s()]+(?:\s+WITH\s+[^\s()]+)?", expression)
    words = {"OR": "or", "AND": "and", "(": "(", ")": ")"}
    python = " ".join(words.get(token, str(re.sub(r"\s+", " ", token) in allowed)) for token in tokens)
    return bool(eval(python, {"__builtins__": {}}))  # only True, False, and, or, parentheses


metadata = json.load(sys.stdin)
used = {node["id"] for node in metadata["resolve"]["nodes"]}
wrong = []
for package in metadata["packages"]:
    name = f"{package['name']} {package['version']}"
    if package["id"] not in used:
        continue
    if package["name"] in banned:
        wrong.append(f"{name}: banned: {banned[package['name']]}")
    if not satisfied(package["license"] or "unknown"):
        wrong.append(f"{name}: licence {package['license']} is not allowed")
    if not (package["source"] or "registry+").startswith("registry+"):
        wrong.append(f"{name}: source {package['source']} is not allowed")
print("\n".join(wrong) or f"{len(used)} packages: licences, bans and sources hold")
sys.exit(bool(wrong))
