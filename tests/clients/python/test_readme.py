"""The program on the front page of the repository."""

import re
import subprocess
import sys

from demo import PATIENCE, ROOT


def test_the_program_of_the_front_page_prints_two_answers(demo):
    programs = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    (program,) = [one for one in programs if "from openai import" in one]
    for placeholder, value in {"http://127.0.0.1:4000/v1": demo.base_url, "sk-cxp-...": demo.key}.items():
        assert placeholder in program
        program = program.replace(placeholder, value)
    ran = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True, timeout=PATIENCE)
    assert ran.returncode == 0, ran.stderr
    first, second = ran.stdout.split("\n", 1)
    assert first == second
