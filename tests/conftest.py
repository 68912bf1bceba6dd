"""What holds for the whole suite."""

from typing import Any

from golden_rows import GOLDEN, rows


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many golden rows stand on nobody's word but ours."""
    sources = [row["source"] for path in sorted(GOLDEN.glob("*.toml")) for row in rows(path.stem)]
    synthetic = sum(source.startswith("synthetic") for source in sources)
    terminalreporter.write_line(f"golden rows: {len(sources)}, of which {synthetic} are synthetic")
