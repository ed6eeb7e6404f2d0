"""Pods on this machine, as a kubelet starts them: the rendered command, environment and mounts, and nothing else.

Each has namespaces of its own (mounts, processes, network), the user and groups of its security context, no capability
and a root that cannot be written. The image is this machine's Python with this checkout. Pods reach each other, and the
machine, by address: `/etc/hosts` is the cluster's DNS. What a kubelet does and this does not: limits and seccomp.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import psutil

import tunesmith
from tunesmith.kubernetes.usage import quantity

_TOOLS = ("ip", "mount", "nsenter", "setpriv", "unshare")
_PATH = "/opt/bin:/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CONFIGURATION = [
    Path("/etc", name)
    for name in ("alternatives", "group", "ld.so.cache", "ld.so.conf.d", "nsswitch.conf", "passwd", "ssl")
]
"""Of an image's `/etc`; the rest of this machine's is none of a pod's business, and pods mount things below it."""
_DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"


@dataclass(frozen=True)
class RunningPod:
    """A pod that was started: its first process, its address, what it prints."""

    name: str
    address: str
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        """What it has printed."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def inner(self) -> psutil.Process:
        """The pod's process number 1."""
        (child,) = psutil.Process(self.process.pid).children()
        return child

    def wait(self, *, seconds: float) -> int:
        """Wait for its end; its exit code."""
        return self.process.wait(seconds)

    def kill(self) -> None:
        """Have all of it be gone: with its first process the kernel kills every other one."""
        with suppress(psutil.NoSuchProcess, ValueError):
            self.inner().kill()
        self.process.kill()
        self.process.wait()


@dataclass
class Node:
    """A machine of a cluster, with its volumes, and what the cluster holds for its pods."""

    folder: Path
    network: ipaddress.IPv4Network
    bridge: str
    config_maps: dict[str, Mapping[str, str]] = field(default_factory=dict)
    secrets: dict[str, Mapping[str, str]] = field(default_factory=dict)
    account: Mapping[str, str] = field(default_factory=dict)
    """Files of a service account: token, ca.crt, namespace."""
    names: dict[str, str] = field(default_factory=dict)
    """Addresses by name, as the cluster's DNS knows them; `Node.gateway` is the machine itself."""
    _pods: list[RunningPod] = field(default_factory=list)

    @property
    def gateway(self) -> str:
        """Address of the machine, as pods see it."""
        return str(self.network[1])

    def claim(self, name: str, *, group: int = 10001) -> Path:
        """The folder of a volume claim."""
        return _folder(self.folder / "claims" / name, group)

    def know(self, name: str, address: str) -> None:
        """Have the cluster's DNS know a name, also in the pods that run already."""
        self.names[name] = address
        for pod in self._pods:
            with (self.folder / "pods" / pod.name / "hosts").open("a", encoding="ascii") as hosts:
                hosts.write(f"{address} {name}\n")

    def start(
        self,
        name: str,
        pod: Mapping[str, Any],
        *,
        command: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> RunningPod:
        """Start the first container of a PodTemplateSpec; the command and the variables of an operator come on top."""
        spec, container = pod["spec"], pod["spec"]["containers"][0]
        who, may = spec["securityContext"], container["securityContext"]
        assert may["readOnlyRootFilesystem"]
        assert not may["allowPrivilegeEscalation"]
        assert may["capabilities"] == {"drop": ["ALL"]}
        address = str(self.network[len(self._pods) + 2])
        self.know(name, address)
        root = self.folder / "pods" / name
        script = root / "start.sh"
        (root / "root").mkdir(parents=True)
        script.write_text(
            "\n".join(["set -e", *self._mounts(root, spec, container), *_enter(root / "root", who)]),
            encoding="utf-8",
        )
        log = root / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*self._isolated(address, len(self._pods)), str(script), *(command or container["command"])],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env={**self._environment(container), **(environment or {})},
            )
        started = RunningPod(name, address, process, log)
        self._pods.append(started)
        return started

    def close(self) -> None:
        """Kill what runs, and take the network and the folders away."""
        wires = [f"{self.bridge}{number}" for number in range(len(self._pods))]
        for pod in self._pods:
            pod.kill()
        for link in (
            *wires,
            self.bridge,
        ):  # the kernel takes a wire away itself, when the last connection is forgotten
            subprocess.run(["ip", "link", "delete", link], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _isolated(self, address: str, number: int) -> list[str]:
        """Words that run a script in namespaces of its own, with a wire to the bridge."""
        wire = f"{self.bridge}{number}"
        outside = f"nsenter --net=/proc/{os.getpid()}/ns/net"
        wiring = [
            "ip link set lo up",
            f"ip link add eth0 type veth peer name {wire} netns {os.getpid()}",
            f"ip address add {address}/{self.network.prefixlen} dev eth0",
            "ip link set eth0 up",
            f"{outside} ip link set {wire} master {self.bridge} up",
            f"ip route add default via {self.gateway}",
            'exec unshare --mount --pid --fork --kill-child sh "$@"',
        ]
        return ["unshare", "--net", "sh", "-c", " && ".join(wiring), "pod"]

    def _environment(self, container: Mapping[str, Any]) -> dict[str, str]:
        told = {variable["name"]: self._value(variable) for variable in container.get("env", ())}
        mark = {name: value for name, value in os.environ.items() if name == "TUNESMITH_TEST_SESSION"}
        # Of this machine's image: where its Python is. Nothing else comes from outside.
        return {"PATH": _PATH, "PYTHONPATH": "/opt/platform", "PYTHONDONTWRITEBYTECODE": "1", **mark, **told}

    def _value(self, variable: Mapping[str, Any]) -> str:
        source = variable.get("valueFrom")
        if source is None:
            return str(variable["value"])
        if "secretKeyRef" in source:
            return self.secrets[source["secretKeyRef"]["name"]][source["secretKeyRef"]["key"]]
        assert source["fieldRef"]["fieldPath"] == "metadata.namespace", source
        return "tunesmith"

    def _mounts(self, root: Path, spec: Mapping[str, Any], container: Mapping[str, Any]) -> list[str]:
        top = root / "root"
        lines = ["mount --make-rprivate /", f"mount -t tmpfs pod {top}"]
        lines += [line for path, target in self._image() for line in _bind(path, top / target.lstrip("/"))]
        lines += [f"ln -s {path.readlink()} {top}{path}" for path in _top_level() if path.is_symlink()]
        lines += [f"mkdir -p {top}/proc {top}/dev/shm {top}/sys", f"mount -t proc proc {top}/proc"]
        lines += [f"mount --rbind /sys {top}/sys"]
        for device in _DEVICES:
            lines += [f"touch {top}/dev/{device}", f"mount --bind /dev/{device} {top}/dev/{device}"]
        hosts = root / "hosts"
        hosts.write_text("".join(f"{ip} {name}\n" for name, ip in self._known().items()), encoding="ascii")
        lines += _bind(hosts, top / "etc" / "hosts")
        volumes = {volume["name"]: volume for volume in spec.get("volumes", ())}
        group = spec["securityContext"]["fsGroup"]
        for mount in sorted(container.get("volumeMounts", ()), key=lambda each: len(each["mountPath"])):
            volume, target = volumes[mount["name"]], top / mount["mountPath"].lstrip("/")
            if volume.get("emptyDir", {}).get("medium") == "Memory":
                size = int(quantity(volume["emptyDir"]["sizeLimit"]))
                lines += [f"mkdir -p {target}", f"mount -t tmpfs -o mode=1777,size={size} memory {target}"]
                continue
            source = _folder(self._volume(root, volume, group) / mount.get("subPath", ""), group)
            read_only = mount.get("readOnly", False) or "configMap" in volume
            lines += _bind(source, target, read_only=read_only)
        if spec.get("automountServiceAccountToken"):
            lines += _bind(_files(root / "account", self.account), top / _TOKEN.lstrip("/"))
        return [*lines, f"mount -o remount,ro {top}"]

    def _image(self) -> list[tuple[Path, str]]:
        """What is read of this machine, and where pods see it; `/tmp` and the home are their own."""
        base = Path(sys.base_prefix).resolve()
        folders = [Path("/usr"), *_CONFIGURATION, *(path for path in _top_level() if not path.is_symlink())]
        own = [base] if Path("/usr") not in (base, *base.parents) else []
        return [
            *((path, str(path)) for path in (*folders, *own) if path.exists()),
            (Path(sys.prefix).resolve(), "/opt/venv"),
            (Path(tunesmith.__file__).parents[1], "/opt/platform"),
            (self._programs(), "/opt/bin"),
        ]

    def _programs(self) -> Path:
        """The command lines that an image has, for the Python at `/opt/venv`."""
        folder = self.folder / "bin"
        if not folder.exists():
            folder.mkdir()
            for name in ("ray", "tunesmith"):
                (program,) = entry_points(group="console_scripts", name=name)
                lines = [
                    "#!/opt/venv/bin/python",
                    f"from {program.module} import {program.attr}",
                    f"{program.attr}()",
                ]
                (folder / name).write_text("\n".join(lines), encoding="utf-8")
                (folder / name).chmod(0o755)
        return folder

    def _known(self) -> dict[str, str]:
        return {"localhost": "127.0.0.1", **self.names}

    def _volume(self, root: Path, volume: Mapping[str, Any], group: int) -> Path:
        if "configMap" in volume:
            return _files(root / volume["name"], self.config_maps[volume["configMap"]["name"]])
        if "persistentVolumeClaim" in volume:
            return self.claim(volume["persistentVolumeClaim"]["claimName"], group=group)
        assert "emptyDir" in volume, volume
        return root / volume["name"]


def why_no_pods() -> str | None:
    """Why this machine cannot run pods; None where it can."""
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} not on PATH"
    if os.geteuid() != 0:
        return "only root makes namespaces with a network"
    tried = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"], capture_output=True)
    return None if tried.returncode == 0 else tried.stderr.decode(errors="replace").strip()


@contextmanager
def node() -> Iterator[Node]:
    """A node for a block; what runs on it ends with the block."""
    bridge = f"ts{secrets.token_hex(3)}"
    network = ipaddress.ip_network(f"10.{secrets.randbelow(60) + 190}.{secrets.randbelow(256)}.0/24")
    assert isinstance(network, ipaddress.IPv4Network)
    for words in (
        ["link", "add", bridge, "type", "bridge"],
        ["address", "add", f"{network[1]}/24", "dev", bridge],
        ["link", "set", bridge, "up"],
    ):
        subprocess.run(["ip", *words], check=True)
    # Short: Ray's sockets lie below it.
    running = Node(Path(tempfile.mkdtemp(prefix="node-", dir="/var/tmp")), network, bridge)
    running.folder.chmod(0o755)
    try:
        yield running
    finally:
        running.close()


def _enter(root: Path, who: Mapping[str, Any]) -> list[str]:
    drop = "--no-new-privs --bounding-set=-all --inh-caps=-all --ambient-caps=-all"
    user = f"--reuid {who['runAsUser']} --regid {who['runAsGroup']} --groups {who['fsGroup']}"
    inside = shlex.quote('cd "$HOME" && exec "$@"')
    return [f'exec chroot {root} setpriv {user} {drop} sh -c {inside} sh "$@"']


def _top_level() -> list[Path]:
    return [path for name in ("bin", "lib", "lib64", "sbin") if (path := Path("/", name)).exists()]


def _bind(source: Path, target: Path, *, read_only: bool = True) -> list[str]:
    make = f"mkdir -p {target}" if source.is_dir() else f"touch {target}"
    exists = f"test -e {target}"
    return [f"{exists} || {make}", f"mount --bind {'-o ro ' if read_only else ''}{source} {target}"]


def _folder(path: Path, group: int) -> Path:
    """A folder of a volume, as `fsGroup` has it: its group may write, and owns what comes."""
    if not path.exists():
        path.mkdir(parents=True)
        os.chown(path, 0, group)
        path.chmod(0o2775)
    return path


def _files(folder: Path, files: Mapping[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder
