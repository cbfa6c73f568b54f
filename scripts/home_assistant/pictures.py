"""The pictures of docs/home-assistant.md: pages of a real Home Assistant that shows us, taken with a real browser."""

import asyncio
import base64
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import aiohttp

from api import CLIENT
from house import Broker, Daemon, Ear, HomeAssistant, free_port, until

# As a click on the bell does.
SHOW_NOTIFICATIONS = (
    "document.querySelector('home-assistant').shadowRoot.querySelector('home-assistant-main')"
    ".dispatchEvent(new CustomEvent('hass-show-notifications', {bubbles: true, composed: true}))"
)
# Whether words are anywhere on a page that is made of components.
SHOWS = """function shows(root, words) {
    for (const one of root.querySelectorAll("*")) {
        if (one.shadowRoot && shows(one.shadowRoot, words)) return true;
        for (const child of one.childNodes) if (child.nodeType === 3 && child.data.includes(words)) return true;
    }
    return false;
}"""
FOLDER = pathlib.Path("docs/pictures")
CAMERAS = {
    "hall": (
        "one-by-one-person-detection.mp4",
        {"person": "Is there a person in the picture?", "dog": "Is there a dog in the picture?"},
    ),
    "street": ("car-detection.mp4", {"vehicle": "Is there a vehicle in the picture?"}),
}
# The automation of the documentation, as the editor shows it.
AUTOMATION = {
    "alias": "Tell what happens in the hall",
    "description": "",
    "triggers": [
        {
            "alias": "Something begins, goes on or ends in the hall",
            "trigger": "state",
            "entity_id": "event.hall_event",
            "not_from": ["unavailable", "unknown"],
        }
    ],
    "conditions": [
        {
            "alias": "It begins",
            "condition": "state",
            "entity_id": "event.hall_event",
            "attribute": "event_type",
            "state": "start",
        }
    ],
    "actions": [
        {"alias": "The picture comes with the words, or right after them", "delay": {"seconds": 1}},
        {
            "alias": "Show the sentence and the picture",
            "action": "persistent_notification.create",
            "data": {
                "title": "Hall",
                "notification_id": "hall",
                "message": "{{ trigger.to_state.attributes.description or 'Something moves.' }}\n\n"
                "![Hall]({{ state_attr('image.hall_snapshot', 'entity_picture') }})",
            },
        },
    ],
    "mode": "queued",
}


class Browser:
    """chromium, by its DevTools protocol."""

    def __init__(self, folder):
        self.port = free_port()
        command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb"]
        command += [f"--remote-debugging-port={self.port}", f"--user-data-dir={folder}/browser", "about:blank"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.session = aiohttp.ClientSession()
        self.number = 0

    async def open(self, width, height):
        pages = []
        for _ in range(100):
            try:
                async with self.session.get(f"http://127.0.0.1:{self.port}/json") as answer:
                    pages = [page for page in await answer.json(content_type=None) if page["type"] == "page"]
            except aiohttp.ClientError:
                pass
            if pages:
                break
            await asyncio.sleep(0.1)
        self.socket = await self.session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.do("Emulation.setDeviceMetricsOverride", **size)

    async def do(self, method, **parameters):
        self.number += 1
        await self.socket.send_json({"id": self.number, "method": method, "params": parameters})
        while True:
            said = await self.socket.receive_json()
            if said.get("id") == self.number:
                return said.get("result", said)

    async def run(self, script):
        return await self.do("Runtime.evaluate", expression=script, awaitPromise=True)

    async def go(self, url, words=None):
        """Opens a page, and waits until it shows these words."""
        await self.do("Page.navigate", url=url)
        for _ in range(240 if words else 4):
            await asyncio.sleep(0.25)
            said = await self.run(f"({SHOWS})(document, {json.dumps(words)})") if words else {}
            if said.get("result", {}).get("value"):
                # What is there may still move.
                await asyncio.sleep(3)
                return
        if words:
            raise TimeoutError(f"{url} does not show `{words}`")

    async def take(self, name, width, height):
        """The upper left part of the page."""
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        said = await self.do("Page.captureScreenshot", format="png", clip=clip)
        path = FOLDER / f"{name}.png"
        path.write_bytes(base64.b64decode(said["data"]))
        print(f"{path}: {path.stat().st_size // 1024} KiB")

    async def close(self):
        await self.session.close()
        self.process.terminate()
        self.process.wait(20)


def begins(home, since):
    """Whether an event has begun in the hall since then, in words of which the model was rather sure."""
    for when, name, _, after in home.changes:
        if when > since and name == "event.hall_event" and after:
            attributes = after["attributes"]
            if attributes.get("event_type") == "start" and (attributes.get("confidence") or 0) > 0.5:
                return True
    return False


async def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="eyewitness-pictures-"))
    FOLDER.mkdir(exist_ok=True)
    broker, assistant = Broker(folder), HomeAssistant(folder, "automation: !include automations.yaml\n")
    home = assistant.home
    (assistant.config / "automations.yaml").write_text("[]\n")
    broker.start()
    daemon, browser = Daemon(folder, broker.port), None
    daemon.write(CAMERAS)
    try:
        assistant.start()
        await home.wait_for_pages()
        await home.onboard()
        await home.add_broker(broker.port)
        await home.listen()
        await home.post("/api/config/automation/config/hall", AUTOMATION)
        daemon.start()
        await until(lambda: home.state("sensor.hall_description") not in (None, "unknown", "unavailable"), 60)
        # The counters have come, and somebody is in the hall.
        await until(lambda: home.state("sensor.hall_frames_skipped") not in (None, "unknown", "unavailable"), 90)
        await until(lambda: home.state("binary_sensor.hall_person") == "on" and home.state("image.hall_snapshot") != "unknown", 60)
        browser = Browser(folder)
        await browser.open(1180, 1240)
        await browser.go(home.url + "/manifest.json")
        await home.renew()
        tokens = {**home.tokens, "hassUrl": home.url, "clientId": CLIENT, "expires": int((time.time() + 1500) * 1000)}
        await browser.run(f"localStorage.setItem('hassTokens', {json.dumps(json.dumps(tokens))})")
        await browser.run("localStorage.setItem('dockedSidebar', '\"always_hidden\"')")
        device = (await home.devices())["eyewitness/garage/hall"]["id"]
        await browser.go(f"{home.url}/config/devices/device/{device}", "Frames skipped")
        await browser.take("home-assistant-device", 1180, 1240)
        # Somebody comes, which the automation tells; then the camera is switched off, since the notification shows the newest picture, and
        # the editor lays a bar over each trigger that fires.
        await until(lambda: begins(home, time.monotonic() - 1), 200)
        await asyncio.sleep(1.5)
        await home.call("switch", "turn_off", entity_id="switch.hall_enabled")
        await asyncio.sleep(4)
        await browser.go(f"{home.url}/config/automation/edit/hall", "Show the sentence")
        await browser.take("home-assistant-automation", 1180, 710)
        await browser.go(f"{home.url}/config/devices/dashboard", "Eyewitness")
        await browser.run(SHOW_NOTIFICATIONS)
        await asyncio.sleep(4)
        await browser.take("home-assistant-notification", 500, 520)
    finally:
        if browser:
            await browser.close()
        await home.close()
        daemon.kill()
        assistant.stop()
        broker.stop()
        assistant.remove()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
