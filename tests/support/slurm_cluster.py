"""A real Slurm on this machine: controller, accounting database and two nodes with a "GPU" each.

Debian's packages ``slurm-wlm slurmdbd mariadb-server munge`` and root are needed. Everything lies
in one temporary folder, but for the configuration in ``/etc/slurm`` (Slurm's commands look for it
there, and the plugin clears the variable that would point elsewhere) and munge's socket.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ETC = Path("/etc/slurm")
SOCKET = Path("/run/munge/munge.socket.2")
NODES = ("gpu1", "gpu2")
CGROUP = Path("/sys/fs/cgroup/memory")
LIMITS_MEMORY = os.access(CGROUP, os.W_OK) and (CGROUP / "cgroup.procs").exists()
"""Whether jobs can be held to their memory: cgroups of version 1."""
PROGRAMS = ("munged", "slurmctld", "slurmd", "slurmdbd", "mariadbd", "mariadb-install-db", "sbatch")

SLURM = """
ClusterName=test
SlurmctldHost=localhost
SlurmctldPort=16817
AuthType=auth/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin={task}
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
ReturnToService=2
SlurmdTimeout=10
MessageTimeout=5
AuthInfo=cred_expire=5
SlurmdParameters=config_overrides
AccountingStorageTRES=gres/gpu
KillWait=15
InactiveLimit=0
MinJobAge=43200
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1
MailProg=/bin/true
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort=16819
NodeName=gpu[1-2] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[17001-17002] \
CPUs=2 RealMemory=64000 Gres=gpu:fake:1
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
PartitionName=gpu Nodes=gpu[1-2] Default=YES MaxTime=2-0 PriorityTier=1
PartitionName=urgent Nodes=gpu[1-2] MaxTime=2-0 PriorityTier=9
PartitionName=cpu Nodes=gpu[1-2] MaxTime=2-0
"""
GRES = "NodeName=gpu[1-2] Name=gpu Type=fake File=/dev/null\n"
CGROUPS = """
CgroupPlugin=cgroup/v1
CgroupAutomount=no
ConstrainRAMSpace=yes
ConstrainSwapSpace=no
ConstrainCores=no
ConstrainDevices=no
AllowedRAMSpace=100
MinRAMSpace=1
"""
ACCOUNTING = """
AuthType=auth/munge
DbdHost=localhost
DbdPort=16819
SlurmUser=root
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=16306
StorageLoc=slurm
StorageUser=root
"""


def missing() -> str | None:
    """Why no Slurm can be started here; None when it can."""
    absent = [name for name in PROGRAMS if not shutil.which(name, path=_PATH)]
    if absent:
        return f"not installed: {', '.join(absent)}"
    if os.geteuid():
        return "starting Slurm needs root"
    if subprocess.run(["pgrep", "-x", "slurmctld"], capture_output=True).returncode == 0:
        return "a Slurm runs on this machine already"
    return None


_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def _end_with_parent() -> None:
    """Let a daemon get SIGTERM when the tests are killed (Linux: prctl, PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


@dataclass
class Cluster:
    """The daemons. A context manager: started on entry, gone on exit."""

    folder: Path
    processes_of: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> Cluster:
        try:
            self._configure()
            self._start_accounting()
            self._start("slurmctld", "slurmctld", "-D", "-c")
            for node in NODES:
                self.start_node(node)
            self.wait(lambda: self.say("sinfo", "-hN", "-o", "%T").split() == ["idle"] * 6)
            self.say("sacctmgr", "-i", "add", "account", "xstilts")
            self.say("sacctmgr", "-i", "add", "user", "root", "account=xstilts")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):
            self.say("scancel", "-f", "-u", "root")
            self.wait(lambda: not self.say("squeue", "-h"), 20)
        for process in reversed(self.processes_of.values()):
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for group in sorted(CGROUP.glob("slurm_gpu*/**/"), reverse=True):
            with suppress(OSError):
                group.rmdir()
        for name in ("slurm.conf", "gres.conf", "cgroup.conf", "slurmdbd.conf"):
            (ETC / name).unlink(missing_ok=True)
            if (kept := ETC / f"{name}.before").exists():
                kept.rename(ETC / name)

    # -- asking and doing -------------------------------------------------------------------------

    def say(self, *command: str) -> str:
        """Run a command of Slurm's; give what it prints."""
        done = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | {"PATH": _PATH}, timeout=60
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr or done.stdout}")
        return done.stdout

    def wait(self, ready, seconds: float = 60.0) -> None:
        """Wait until something is so."""
        until = time.monotonic() + seconds
        while True:
            try:
                if ready():
                    return
            except RuntimeError:
                if time.monotonic() > until:
                    raise
            if time.monotonic() > until:
                raise TimeoutError(f"did not happen in {seconds} s; logs are in {self.folder}")
            time.sleep(0.2)

    def jobs(self, state: str = "all") -> dict[str, str]:
        """The comment (rule and wildcards) of every job in a state, by its id, oldest first."""
        lines = self.say("squeue", "-h", "-t", state, "-S", "i", "-o", "%A %k").splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def running(self, rule: str) -> str:
        """Wait for a running job of a rule; give its id."""
        found: list[str] = []

        def look() -> bool:
            comments = self.jobs("running")
            found[:] = [job for job, comment in comments.items() if comment.startswith(rule)]
            return bool(found)

        self.wait(look, 120)
        return found[-1]

    def accounts(self, *fields: str) -> list[list[str]]:
        """What accounting knows of every job, a row each, oldest first."""
        said = self.say("sacct", "-XnPa", "-S", "now-1day", "-o", ",".join(fields))
        return [line.split("|") for line in said.splitlines()]

    def start_node(self, node: str) -> None:
        """Start a node's daemon."""
        (self.folder / f"spool.{node}").mkdir(exist_ok=True)
        self._start(node, "slurmd", "-D", "-c", "-N", node)

    def node_of(self, job: str) -> str:
        """The node that a job runs on."""
        return self.say("squeue", "-h", "-j", job, "-o", "%N").strip()

    def processes(self, job: str) -> list[int]:
        """Every process of a job on its node, Slurm's own for it included."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with suppress(OSError):
                mine = f"SLURM_JOB_ID={job}".encode() in (entry / "environ").read_bytes().split(
                    b"\0"
                )
                if mine or f"slurmstepd: [{job}.".encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
        return found

    def kill_daemon(self, node: str) -> None:
        """SIGKILL to a node's daemon: its jobs run on, but the controller hears of nothing."""
        process = self.processes_of.pop(node)
        process.kill()
        process.wait()

    def lose_power(self, node: str) -> None:
        """SIGKILL to everything on a node."""
        jobs = self.say("squeue", "-h", "-w", node, "-t", "running", "-o", "%A").split()
        self.kill_daemon(node)
        for pid in [pid for job in jobs for pid in self.processes(job)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def repair(self) -> None:
        """No job is left, and every node is up again and free."""
        for job in self.jobs("pending,running,completing"):
            with suppress(RuntimeError):  # it has just ended
                self.say("scancel", job)
            for pid in self.processes(job):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for node in NODES:
            if node not in self.processes_of:
                self.start_node(node)
            with suppress(RuntimeError):  # of a node that is up
                self.say("scontrol", "update", f"NodeName={node}", "State=RESUME")
        self.wait(lambda: set(self.say("sinfo", "-hN", "-o", "%T").split()) == {"idle"})

    # -- starting ---------------------------------------------------------------------------------

    def _configure(self) -> None:
        (self.folder / "state").mkdir(parents=True)
        ETC.mkdir(exist_ok=True)
        texts = {
            "slurm.conf": SLURM.format(
                folder=self.folder,
                task="task/cgroup" if LIMITS_MEMORY else "task/none",
            ),
            "gres.conf": GRES,
            "cgroup.conf": CGROUPS if LIMITS_MEMORY else "",
            "slurmdbd.conf": ACCOUNTING.format(folder=self.folder),
        }
        for name, text in texts.items():
            if (path := ETC / name).exists():
                path.rename(ETC / f"{name}.before")
            path.write_text(text)
            path.chmod(0o600)

    def _start_accounting(self) -> None:
        if subprocess.run(["munge", "-n"], capture_output=True).returncode:
            self._start_munge()
        data, socket = self.folder / "mariadb", self.folder / "mariadb.sock"
        self.say(
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={data}",
            "--user=root",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )
        self._start(
            "mariadbd",
            "mariadbd",
            "--no-defaults",
            f"--datadir={data}",
            f"--socket={socket}",
            "--user=root",
            "--port=16306",
            "--bind-address=127.0.0.1",
        )
        self.wait(lambda: socket.exists() and SOCKET.exists())
        self._start("slurmdbd", "slurmdbd", "-D")
        self.wait(lambda: self.say("sacctmgr", "-i", "add", "cluster", "test"))

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        SOCKET.parent.mkdir(exist_ok=True)
        SOCKET.parent.chmod(0o755)
        key.chmod(0o600)
        self._start(
            "munged",
            "munged",
            "-F",
            "--force",
            f"--key-file={key}",
            f"--pid-file={self.folder}/munged.pid",
            f"--seed-file={self.folder}/munge.seed",
            f"--log-file={self.folder}/munged.log",
        )

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as out:
            self.processes_of[name] = subprocess.Popen(
                command,
                stdout=out,
                stderr=out,
                env=os.environ | {"PATH": _PATH},
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
