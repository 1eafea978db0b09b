"""What machine and which versions a result comes from: ``environment.json`` and ``glioframe_info``."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from glioframe.core.provenance import glioframe_version

_REPORTED_PACKAGES = (
    "torch",
    "monai",
    "dynamic-network-architectures",
    "numpy",
    "scipy",
    "scikit-learn",
    "nibabel",
    "SimpleITK",
    "blosc2",
    "batchgeneratorsv2",
    "pyradiomics-bhklab",
    "shap",
    "captum",
    "nilearn",
)
_BYTES_PER_GIB = 2**30


def describe_environment() -> dict[str, str]:
    """Versions, processor, memory and accelerator in words. Imports torch; names no user and no host."""
    import torch

    environment = {
        "glioframe": glioframe_version(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": f"{_processor()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB memory",
        "accelerator": "none",
        "torch threads": str(torch.get_num_threads()),
    }
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        memory = properties.total_memory / _BYTES_PER_GIB
        environment["accelerator"] = f"{torch.cuda.device_count()} x {properties.name}, {memory:.0f} GiB each"
        environment["cuda"] = str(torch.version.cuda)
    environment.update({package: _version(package) for package in _REPORTED_PACKAGES})
    return environment


def gpu_memory_gb() -> float | None:
    """Memory of the first CUDA device in GB; None without one."""
    import torch

    if not torch.cuda.is_available():
        return None
    return float(torch.cuda.get_device_properties(0).total_memory) / 1e9


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float:
    if not hasattr(os, "sysconf"):
        return 0.0
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _BYTES_PER_GIB
