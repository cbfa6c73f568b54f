"""The processes of one house: a broker, Home Assistant, the daemon, and somebody who hears everything that goes over the broker."""

import asyncio
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import paho.mqtt.client as mqtt

from api import Home

ROOT = pathlib.Path(os.environ["HOME_ASSISTANT_ROOT"]).absolute()
BINARY = os.environ["EYEWITNESS_BINARY"]
CLIPS = pathlib.Path(os.environ["EYEWITNESS_CLIPS"]).absolute()

CONFIGURATION = """\
homeassistant:
  name: Home
  time_zone: UTC
  country: DE
  unit_system: metric
  latitude: 0
  longitude: 0
  elevation: 0
  auth_mfa_modules: []
http:
  server_host: 127.0.0.1
  server_port: {port}
frontend:
config:
history:
logbook:
logger:
  default: warning
  logs:
    homeassistant.components.mqtt: info
{more}
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def end(process, how=signal.SIGTERM, seconds=30):
    if process and process.poll() is None:
        process.send_signal(how)
        process.wait(seconds)


class Broker:
    """mosquitto. It keeps nothing on disk: after a restart it has lost what was retained."""

    def __init__(self, folder):
        self.port = free_port()
        self.process = None
        self.config = folder / "mosquitto.conf"
        self.config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        self.log = (folder / "mosquitto.log").open("wb")

    def start(self):
        command = ["mosquitto", "-c", str(self.config)]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def stop(self):
        end(self.process)


class Ear:
    """Hears all topics, with the time of each message, and speaks when asked."""

    def __init__(self, port):
        # (when it came, topic, payload, whether it was retained before)
        self.heard = []
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self.client.reconnect_delay_set(min_delay=1, max_delay=1)
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self.client.on_message = lambda _client, _data, message: self.heard.append(
            (time.monotonic(), message.topic, message.payload, message.retain)
        )
        self.client.connect_async("127.0.0.1", port)
        self.client.loop_start()

    def say(self, topic, payload, retain=True):
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)

    def last(self, topic):
        """The newest payload on this topic, or None."""
        return next((payload for _, said, payload, _ in reversed(self.heard) if said == topic), None)

    def since(self, start, topic=None):
        return [one for one in list(self.heard) if one[0] >= start and (topic is None or one[1] == topic)]

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


class Line:
    """The daemon's way to the broker, which can be cut while everybody else stays connected."""

    def __init__(self, port):
        self.port, self.behind = free_port(), port
        self.server, self.writers = None, set()

    async def open(self):
        self.server = await asyncio.start_server(self._join, "127.0.0.1", self.port)

    async def cut(self):
        self.server.close()
        for writer in list(self.writers):
            writer.transport.abort()

    async def _join(self, reader, writer):
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.behind)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, back}
        self.writers |= ends

        async def pour(source, sink):
            try:
                while data := await source.read(1 << 16):
                    sink.write(data)
                    await sink.drain()
            except OSError:
                pass
            # One end is gone, as it is: no good-bye is invented for the other.
            sink.transport.abort()

        try:
            await asyncio.gather(pour(reader, back), pour(there, writer))
        except asyncio.CancelledError:
            # The check is over.
            pass
        self.writers -= ends


class Daemon:
    """Eyewitness with clips as cameras."""

    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        self.config = folder / "eyewitness.toml"
        self.state = folder / "state"
        self.state.mkdir()
        self.said = folder / "eyewitness.log"
        self.process = None

    def write(self, cameras, snapshots="event"):
        """`cameras`: id → (clip, {rule: question})."""
        lines = [
            'node = "garage"',
            f'[mqtt]\nurl = "mqtt://127.0.0.1:{self.port}"\nhome_assistant = true\nsnapshots = "{snapshots}"',
            f'[outbox]\npath = "{self.state}/outbox"',
            '[model]\nbudget = "600/min"',
            '[http]\nlisten = "off"',
        ]
        for camera, (clip, rules) in cameras.items():
            lines.append(f'[[camera]]\nid = "{camera}"\nurl = "file://{CLIPS / clip}"\nloop = true')
            lines.append('[camera.gate]\nbudget = "60/min"\nmin_interval = "2s"')
            lines += [f"[[camera.rule]]\nid = {json.dumps(rule)}\nask = {json.dumps(ask)}" for rule, ask in rules.items()]
        self.config.write_text("\n".join(lines) + "\n")

    def start(self):
        environment = {**os.environ, "STATE_DIRECTORY": str(self.state)}
        self.process = subprocess.Popen(
            [BINARY, "run", "-c", str(self.config)], stdout=subprocess.DEVNULL, stderr=self.said.open("ab"), env=environment
        )
        return time.monotonic()

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def kill(self):
        end(self.process, signal.SIGKILL)

    def stop(self):
        end(self.process)

    def log(self):
        return self.said.read_text(errors="replace") if self.said.exists() else ""


class HomeAssistant:
    """Home Assistant itself, in its folder, with a fresh configuration."""

    def __init__(self, folder, more=""):
        self.folder = folder
        self.port = free_port()
        (ROOT / "srv").mkdir(exist_ok=True)
        self.config = pathlib.Path(tempfile.mkdtemp(dir=ROOT / "srv"))
        (self.config / "configuration.yaml").write_text(CONFIGURATION.format(port=self.port, more=more))
        self.process = None
        self.home = Home(self.port)
        self._earlier = []

    def start(self):
        inside = "/" + str(self.config.relative_to(ROOT))
        script = (
            'set -e; root=$1; shift; mount -t proc proc "$root/proc"; mount --bind /dev "$root/dev"; exec chroot "$root" /usr/bin/env -i '
            'PATH=/opt/home-assistant/bin:/usr/bin:/bin HOME=/root LANG=C.UTF-8 "$@"'
        )
        # A process of a fresh pid namespace has the same number as the one before it.
        (self.config / ".ha_run.lock").unlink(missing_ok=True)
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", script, "inside", str(ROOT)]
        command += ["hass", "--config", inside, "--skip-pip", "--log-file", inside + "/said.log"]
        with (self.folder / "home-assistant.out").open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out)

    def stop(self):
        """As a user would: it writes down what it knows."""
        if self.process is None or self.process.poll() is not None:
            return
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGTERM)
        self.process.wait(60)
        self._earlier += self._said()

    def _said(self):
        path = self.config / "said.log"
        return path.read_text(errors="replace").splitlines() if path.exists() else []

    def log(self):
        """What it has said over all its runs; each one begins a new file."""
        running = self.process is not None and self.process.poll() is None
        return self._earlier + (self._said() if running else [])

    def remove(self):
        shutil.rmtree(self.config, ignore_errors=True)


async def until(true, seconds, pause=0.02):
    """Waits until `true()` is, and says for how many seconds it was not; None: it never became so."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        if true():
            return time.monotonic() - start
        await asyncio.sleep(pause)
    return None
