"""Lets a PyTorch that was built for GPUs run on a CPU alone, without gigabytes of libraries for them.

    python without_gpu.py

Its libraries are linked against those of CUDA. Where they are missing, empty ones take their place:
every function they should have is there, does nothing, and reports that there is no device. Does
nothing where PyTorch can already be imported; needs a C compiler and binutils where it cannot.
"""

import importlib.util
import pathlib
import re
import subprocess
import sys
import tempfile

# Of the libraries of CUDA, and of what its compiler puts into a program.
FUNCTION = re.compile(r"^(cu[A-Za-z]+|cudnn\w+|cufft\w+|nccl|nvrtc|nvshmem\w*|__cuda|__nv)\w*$")
LIBRARY = re.compile(r"\[(lib(?:cu|nccl|nv)[\w.-]*\.so[.\d]*)\]")
# What cudaGetDeviceCount returns where there is none.
NO_DEVICE = 100
# A function has a version, in most libraries their name.
VERSIONS = {"libnvshmem_host.so.3": "NVSHMEM"}
WITHOUT_VERSIONS = "libnccl.so.2"


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def works():
    """In a process of its own: a failed import leaves parts behind."""
    return subprocess.run([sys.executable, "-c", "import torch"], capture_output=True).returncode == 0


def stand_in(folder):
    functions, libraries = {}, set()
    for file in sorted(folder.glob("*.so")):
        libraries.update(LIBRARY.findall(output("readelf", "-d", file)))
        for line in output("nm", "-D", "--undefined-only", file).splitlines():
            name, _, version = line.split()[-1].partition("@")
            if FUNCTION.match(name):
                functions.setdefault(version, set()).add(name)
    for library in sorted(libraries):
        version = VERSIONS.get(library, library)
        names = functions.pop(version, set())
        if library == WITHOUT_VERSIONS:
            names |= functions.pop("", set())
        compile_library(folder / library, sorted(names), version)


def compile_library(path, names, version):
    bodies = {name: "(void) { return 0; }" for name in names}
    if "cudaGetDeviceCount" in bodies:
        bodies["cudaGetDeviceCount"] = f"(int *n) {{ *n = 0; return (void *){NO_DEVICE}; }}"
    source = "\n".join(f"void *{name}{body}" for name, body in bodies.items())
    command = ["cc", "-shared", "-fPIC", "-fno-builtin", "-w", f"-Wl,-soname,{path.name}"]
    with tempfile.NamedTemporaryFile("w", suffix=".map") as script:
        if path.name != WITHOUT_VERSIONS:
            script.write(f"{version} {{ *; }};\n")
            script.flush()
            command.append(f"-Wl,--version-script={script.name}")
        command += ["-o", path, "-x", "c", "-"]
        subprocess.run(command, check=True, input=source, text=True)


def main():
    found = importlib.util.find_spec("torch")
    if found is None or works():
        return
    stand_in(pathlib.Path(found.origin).parent / "lib")
    if not works():
        sys.exit("PyTorch cannot be imported, even with stand-ins for the libraries of a GPU")


main()
