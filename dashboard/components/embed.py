"""Reports made elsewhere, shown without trusting them: a frame inside a frame, the inner one without our origin and without network.

Streamlit's own frame runs what it holds with the origin of this app. The report therefore goes into a second frame whose `sandbox` has
no `allow-same-origin` (its scripts run in an origin of their own), with a policy that forbids every address.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from dashboard.components.words import plain, size
from interlock.rules.canonical import digest_bytes
from interlock.settings import Settings

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob:; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)
BYTES_MAX = 12_000_000


def sandboxed(report: str) -> str:
    """A page whose only content is the report in a sandboxed frame."""
    meta = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    inner = escape(meta + report, quote=True)
    return (
        f'<iframe sandbox="allow-scripts" srcdoc="{inner}" title="report" style="border:0;width:100%;height:98vh;background:#fff"></iframe>'
    )


def attachments(settings: Settings, evidence_digest: str, files: dict[str, str]) -> None:
    """The files attached to evidence: download each; look at HTML in the sandbox. A file that is not what was sealed is refused."""
    folder = settings.home.resolve() / "evidence" / evidence_digest.removeprefix("sha256:")
    for name, expected in sorted(files.items()):
        data = sealed_file(folder / Path(name).name, expected)
        if data is None:
            st.markdown(f"{plain(name)}: the file is not there, or is not the one that was sealed. It is not shown.")
            continue
        with st.container(horizontal=True, vertical_alignment="center"):
            st.download_button(
                f"Download {name}",
                data,
                file_name=Path(name).name,
                mime="application/octet-stream",
                on_click="ignore",
                key=f"download {evidence_digest} {name}",
            )
            st.caption(size(len(data)))
            look = name.endswith(".html") and len(data) <= BYTES_MAX and st.toggle("Show here", key=f"show {evidence_digest} {name}")
        if look:
            st.caption("Shown in a frame without network and without access to this app.")
            st.iframe(sandboxed(data.decode("utf-8", errors="replace")), height=700, alt=f"Report {name}")


def sealed_file(path: Path, expected: str) -> bytes | None:
    """The bytes of an attached file; None where it is not there or not the one with this digest."""
    if not path.is_file():
        return None
    data = path.read_bytes()
    return data if digest_bytes(data) == expected else None
