"""A Slurm cluster on this machine for the tests: authentication, controller and one node, their files in one folder."""

import contextlib
import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import psutil

PLUGINS = Path(sys.prefix) / "cluster"  # `make test` installs them there
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")
SECONDS = 60  # until a daemon answers, on a busy machine

CONFIGURATION = """
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
AuthType=auth/munge
CredType=cred/munge
# Credentials are short-lived, since a requeued job waits until its old one has expired.
AuthInfo=socket={folder}/munge.socket,cred_expire=5

# Two processors, 8 GB and a GPU, whole or in shares, whatever the machine has. Jobs are bound to their processors, and
# killed over their memory.
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=8000 Gres=gpu:1,shard:4
GresTypes=gpu,shard
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MpiDefault=none

# Jobs in `urgent` displace those in `main`, which are requeued.
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=main Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE
PartitionName=urgent Nodes=ALL PriorityTier=2 PreemptMode=OFF

# Finished jobs stay on show. Everything else happens at once.
MinJobAge=86400
ReturnToService=2
KillWait=1
SlurmdTimeout=5
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
"""


class LoopbackSlurm:
    """A cluster of one node. Its jobs see the plugins of Snakemake that `make test` installs."""

    def __init__(self, folder):
        self.folder = folder
        self.host = socket.gethostname().partition(".")[0]
        self.configuration = folder / "slurm.conf"
        self.daemons = {}
        controller_port, node_port = free_ports(2)
        text = CONFIGURATION.format(
            host=self.host, user=getpass.getuser(), folder=folder, controller_port=controller_port, node_port=node_port
        )
        self.configuration.write_text(text)
        (folder / "gres.conf").write_text("Name=gpu File=/dev/null\nName=shard Count=4\n")
        for name in ("bin", "spool", "state"):
            (folder / name).mkdir()
        # The plugin takes SLURM_CONF from the environment of its inner srun.
        srun = folder / "bin" / "srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.configuration} exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        self.environment = {
            "SLURM_CONF": str(self.configuration),
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(PLUGINS),
        }

    def start(self):
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        files = [
            f"--{name}-file={self.folder}/munge.{suffix}"
            for name, suffix in [("key", "key"), ("log", "log"), ("pid", "pid"), ("seed", "seed")]
        ]
        # --force: a temporary folder is not as closed as munged would have it.
        self.start_daemon("munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket", *files)
        self.wait_until(lambda: (self.folder / "munge.socket").exists())
        self.start_daemon("slurmctld", "-D", "-f", self.configuration)
        self.start_node()

    def start_node(self):
        self.start_daemon("slurmd", "-D", "-f", self.configuration, "-N", self.host)
        self.wait_until(lambda: self.try_command("sinfo", "-h", "-o", "%T") in ("idle", "mixed", "allocated"))

    def lose_node(self):
        """Cut the node off, and wait until Slurm gives up on it."""
        self.kill_node()
        self.wait_until(lambda: self.try_command("sinfo", "-h", "-o", "%T").startswith("down"))

    def kill_node(self):
        """Kill the node's daemon and all its jobs, like a power cut."""
        processes = self.processes()
        self.stop_daemon("slurmd", signal.SIGKILL)
        for process in processes:
            send_signal(process, signal.SIGKILL)
        psutil.wait_procs(processes, timeout=SECONDS)

    def processes(self, job_id=r"\d+"):
        """The daemons that run steps of this node's jobs, or of one job, and all processes in these steps.

        Such a daemon has the working folder of the node's daemon, and its title is `slurmstepd: [JOB.STEP]`.
        """
        steps = [
            process
            for process in psutil.process_iter(["cmdline", "cwd"])
            if process.info["cwd"] == str(self.folder)
            and re.match(rf"slurmstepd: \[{job_id}\.", " ".join(process.info["cmdline"] or []))
        ]
        found = list(steps)
        for step in steps:
            with contextlib.suppress(psutil.NoSuchProcess):
                found += step.children(recursive=True)
        return found

    def stop(self):
        self.kill_node()
        for name in ("slurmctld", "munged"):
            self.stop_daemon(name, signal.SIGTERM)

    def start_daemon(self, name, *arguments):
        with (self.folder / f"{name}.out").open("a") as output:
            self.daemons[name] = subprocess.Popen(
                # It ends with the tests, even if they are killed.
                ["setpriv", "--pdeathsig", "KILL", name, *map(str, arguments)],
                cwd=self.folder,
                env=os.environ | self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop_daemon(self, name, with_signal):
        daemon = self.daemons.pop(name, None)
        if daemon is None:
            return
        daemon.send_signal(with_signal)
        try:
            daemon.wait(timeout=10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def command(self, *command):
        """Run a command of Slurm and return what it prints."""
        environment = os.environ | self.environment
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
        if done.returncode:
            raise subprocess.SubprocessError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout.strip()

    def try_command(self, *command):
        try:
            return self.command(*command)
        except subprocess.SubprocessError:
            return ""

    def wait_until(self, condition):
        deadline = time.monotonic() + SECONDS
        while not condition():
            if time.monotonic() > deadline:
                outputs = "\n".join(f"{path}:\n{path.read_text()}" for path in self.folder.glob("*.out"))
                raise TimeoutError(f"Slurm does not answer\n{outputs}")
            time.sleep(0.1)

    # Jobs

    def jobs(self, folder):
        """Return what Slurm knows about each submission from a working folder, in order of submission."""
        found = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in self.scontrol("show", "job", "-o").splitlines()]
        return [job for job in found if job.get("WorkDir") == str(folder)]

    def scontrol(self, *arguments):
        return self.command("scontrol", *arguments)

    def hang(self, job):
        """Suspend all processes of a running job, once there are any."""

        def programs():
            return [process for process in self.processes(job["JobId"]) if not name(process).startswith("slurmstepd")]

        self.wait_until(programs)
        for process in programs():
            send_signal(process, signal.SIGSTOP)

    def run_out_of_time(self, job):
        """Let a running job reach its time limit now."""
        self.scontrol("update", f"JobId={job['JobId']}", f"EndTime={datetime.now():%Y-%m-%dT%H:%M:%S}")


def send_signal(process, number):
    """Signal one process if it still exists: never process 1, nor 0 and negative numbers, which stand for groups."""
    if process.pid <= 1:
        raise ValueError(f"no job's process has number {process.pid}")
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def name(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.name()
    return ""


def free_ports(number):
    """Find ports of the loopback interface that are free."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [server.getsockname()[1] for server in sockets]
