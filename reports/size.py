"""Size of a package on disk."""

from __future__ import annotations

from interlock.rules.findings import Finding, State


def size_finding(total_bytes: int, files: int) -> Finding:
    """`size.package_mb`: bytes of all files of the package / 1,000,000. An empty package (0 bytes) is an ERROR, not a small one."""
    if total_bytes <= 0:
        return Finding(metric="size.package_mb", unit="MB", state=State.ERROR, note="the package has no bytes")
    return Finding(metric="size.package_mb", value=total_bytes / 1e6, sample_size=files, unit="MB", note=f"{files} files.")
