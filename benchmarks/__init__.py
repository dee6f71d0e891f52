"""Ours and its peers, in turn.

Where `CONVOLENS_ISA` holds our kernels to fewer instructions than the processor has, oneDNN, torch's own kernels and
MKL are held to the same, before any of them is loaded.
"""

import os

_ONEDNN = {
    "baseline": "SSE41",
    "avx2": "AVX2",
    "avx2_vnni": "AVX2_VNNI",
    "avx512": "AVX512_CORE",
    "avx512_vnni": "AVX512_CORE_VNNI",
    "avx512_bf16": "AVX512_CORE_BF16",
}
_asked = os.environ.get("CONVOLENS_ISA", "")
if _asked in _ONEDNN:
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", _ONEDNN[_asked])
if _asked == "baseline":
    os.environ.setdefault("ATEN_CPU_CAPABILITY", "default")
    os.environ.setdefault("MKL_ENABLE_INSTRUCTIONS", "SSE4_2")
if _asked.startswith("avx2"):
    os.environ.setdefault("ATEN_CPU_CAPABILITY", "avx2")
    os.environ.setdefault("MKL_ENABLE_INSTRUCTIONS", "AVX2")
