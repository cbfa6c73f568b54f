"""What Home Assistant makes of us: entities, their states, their going and coming, and what its log says about it."""

import asyncio
import json
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

from house import Broker, Daemon, Ear, HomeAssistant, Line, until

PERSON = ("person", "Is there a person in the picture?")
HAT = ("hat", 'Does anybody wear a "hat" {{ or a cap }}?')
VEHICLE = ("vehicle", "Is there a vehicle in the picture?")
HALL = ("one-by-one-person-detection.mp4", dict([PERSON, HAT]))
ROAD = ("car-detection.mp4", dict([VEHICLE]))
BOTH = {"hall": HALL, "road": ROAD}

# Per camera: what goes away with the camera, and what tells about it even then.
WITH_CAMERA = ["event.{}_event", "sensor.{}_description", "image.{}_snapshot"]
WITH_NODE = [
    "switch.{}_enabled", "sensor.{}_status", "sensor.{}_last_described", "sensor.{}_model_time", "sensor.{}_frames_skipped",
]
WAITING = "sensor.eyewitness_garage_events_waiting"
CONNECTION = "binary_sensor.eyewitness_garage_connection"

# Bounds of the figures, in seconds.
STATE, READY = 0.3, 3.0


def with_camera(cameras):
    return [name.format(camera) for camera in cameras for name in WITH_CAMERA] + [
        f"binary_sensor.{camera}_{rule}" for camera, (_, rules) in cameras.items() for rule in rules
    ]


def all_of(cameras):
    told = [name.format(camera) for camera in cameras for name in WITH_NODE]
    return with_camera(cameras) + told + [WAITING]


class Check:
    def __init__(self, folder):
        self.broker = Broker(folder)
        self.assistant = HomeAssistant(folder)
        self.home = self.assistant.home
        self.folder = folder
        self.ear = self.line = self.daemon = None
        self.checks = self.failures = 0
        self.figures = {}

    def is_so(self, words, so, otherwise=""):
        self.checks += 1
        if so:
            print(f"ok      {words}", flush=True)
        else:
            self.failures += 1
            print(f"failed  {words}\n        {otherwise}", flush=True)
        return so

    def lacking(self, names):
        """Those that are unavailable or not there."""
        return [name for name in names if self.home.state(name) in (None, "unavailable")]

    async def there(self, words, cameras, seconds=20):
        names = all_of(cameras)
        took = await until(lambda: not self.lacking(names), seconds)
        self.is_so(words, took is not None, f"not there: {self.lacking(names)}")

    async def run(self):
        self.broker.start()
        await until(lambda: False, 0.3)
        self.ear = Ear(self.broker.port)
        self.line = Line(self.broker.port)
        await self.line.open()
        self.daemon = Daemon(self.folder, self.line.port)
        self.daemon.write(BOTH)
        self.assistant.start()
        print(f"Home Assistant answers after {await self.home.wait_for_pages():.1f} s", flush=True)
        await self.home.onboard()
        await self.home.add_broker(self.broker.port)
        await self.home.listen()
        await self.first_start()
        await self.as_the_clips_say()
        await self.switched_off()
        await self.killed()
        await self.cut_off()
        await self.restarted("Home Assistant", assistant=True)
        await self.restarted("the broker", broker=True)
        await self.restarted("both", assistant=True, broker=True)
        await self.taken_out_while_running()
        await self.taken_out_while_stopped()
        self.nothing_in_the_log()

    async def started(self, cameras, figure):
        """Starts the daemon, and says when all entities were available."""
        start = self.daemon.start()
        took = await until(lambda: not self.lacking(all_of(cameras)), 20)
        if took is not None:
            self.figures.setdefault(figure, []).append(time.monotonic() - start)
        return took is not None

    async def stopped(self):
        """Stops the daemon; whether everything was unavailable then."""
        self.daemon.stop()
        return await until(lambda: len(self.lacking(all_of(BOTH))) == len(all_of(BOTH)), 10) is not None

    async def first_start(self):
        # What others say on a topic of ours, and what an earlier run of ours left.
        other = discovery("Other", "other/pond", "Pond pump", "pump")
        self.ear.say("homeassistant/device/eyewitness_garage_pond/config", other)
        attic = discovery("Eyewitness", "eyewitness/garage/attic", "Attic", "event_of_old")
        self.ear.say("homeassistant/device/eyewitness_garage_attic/config", attic)
        left = discovery("Eyewitness", "eyewitness/garage/hall", "Hall", "rule_of_old")
        self.ear.say("homeassistant/device/eyewitness_garage_hall/config", left)
        await until(lambda: self.home.state("sensor.rule_of_old") and self.home.state("sensor.pump"), 5)
        self.daemon.write(BOTH | {"pond": ROAD})
        there = await self.started(BOTH, "daemon start to all entities, the first time")
        self.is_so("every entity is there", there, f"not there: {self.lacking(all_of(BOTH))}")
        self.is_so("the connection is on", self.home.state(CONNECTION) == "on")
        gone = await until(lambda: not self.home.state("sensor.event_of_old") and not self.home.state("sensor.rule_of_old"), 5)
        self.is_so("a camera and a component of an earlier version are taken away", gone is not None)
        config = self.ear.last("homeassistant/device/eyewitness_garage_pond/config")
        self.is_so("what others say on our topic is left alone", config == other.encode(), config)
        self.is_so("and the log says so", "Home Assistant will not see camera `pond`" in self.daemon.log())
        entities, devices = await self.home.entities(), await self.home.devices()
        wanted = [name for name in all_of(BOTH) if name not in {one["entity_id"] for one in entities.values()}]
        self.is_so("all of them are in the registry", not wanted, wanted)
        box = devices.get("eyewitness/garage", {}).get("id")
        via = [devices.get(f"eyewitness/garage/{camera}", {}).get("via_device_id") for camera in BOTH]
        self.is_so("cameras are connected by the box", box and via == [box, box], via)
        await self.stopped()
        self.ear.say("homeassistant/device/eyewitness_garage_pond/config", "")
        self.daemon.write(BOTH)
        await self.started(BOTH, "daemon start to all entities")

    async def as_the_clips_say(self):
        start = time.monotonic()
        rules = [f"binary_sensor.hall_{PERSON[0]}", f"binary_sensor.road_{VEHICLE[0]}"]
        heard = lambda name: {after["state"] for when, changed, _, after in self.home.changes if changed == name and after and when > start}
        await until(lambda: all({"on", "off"} <= heard(rule) for rule in rules), 60)
        for rule in rules:
            self.is_so(f"{rule} goes on and off", {"on", "off"} <= heard(rule), heard(rule))
        attributes = self.home.attributes(rules[0])
        self.is_so(
            "a rule's attributes tell what was asked, how sure it is, and when",
            attributes.get("question") == PERSON[1] and attributes.get("rule_state") in ("ON", "OFF", "UNSURE")
            and 0 <= attributes.get("p") <= 1 and attributes.get("at"), attributes,
        )
        question = self.home.attributes(f"binary_sensor.hall_{HAT[0]}").get("question")
        self.is_so("a question with quotes and braces comes through", question == HAT[1], question)
        await until(lambda: self.quiet_for(1.0), 30)
        self.same_as_told(start)
        events = [json.loads(payload) for _, topic, payload, _ in self.ear.since(start) if topic.endswith("/event")]
        kinds = {event["type"] for event in events}
        self.is_so("events begin, go on and end", {"start", "update", "end"} <= kinds, kinds)
        self.delays(start)
        await self.in_words()
        picture = await self.home.get("/api/image_proxy/image.road_snapshot")
        told = self.ear.last("eyewitness/garage/road/snapshot")
        self.is_so("the snapshot is the JPEG that was published", picture == told and picture[:2] == b"\xff\xd8", len(picture))

    async def in_words(self):
        """What clips do not bring about by themselves is said in the daemon's name."""
        at = "2026-11-23T09:14:03.900Z"
        unsure = {"state": "UNSURE", "p": 0.5, "at": at}
        self.ear.say(f"eyewitness/garage/hall/rule/{HAT[0]}", json.dumps(unsure))
        name = f"binary_sensor.hall_{HAT[0]}"
        told = lambda: self.home.attributes(name).get("rule_state") == "UNSURE" and self.home.attributes(name).get("at") == at
        await until(told, 5)
        self.is_so("a rule that is unsure is unknown, and its attributes say so", told() and self.home.state(name) == "unknown")
        text = "Ä man" + " walks" * 60 + "."
        self.ear.say("eyewitness/garage/hall/description", json.dumps({"text": text, "at": at, "confidence": 0.5, "event": "0"}))
        name = "sensor.hall_description"
        await until(lambda: self.home.attributes(name).get("text") == text, 5)
        shown = self.home.state(name)
        self.is_so("a long sentence is cut in the state and whole in the attributes",
                   shown == text[:254] + "…" and self.home.attributes(name)["text"] == text, shown)

    def quiet_for(self, seconds):
        return not self.ear.since(time.monotonic() - seconds)

    def same_as_told(self, start):
        """Holds states and attributes against what went over the broker."""
        for camera, (_, rules) in BOTH.items():
            topic = f"eyewitness/garage/{camera}"
            words = json.loads(self.ear.last(f"{topic}/description"))
            name = f"sensor.{camera}_description"
            state, attributes = self.home.state(name), self.home.attributes(name)
            self.is_so(f"{name} is the newest sentence", state == words["text"][:255], (state, words))
            self.is_so(f"{name} has all of it in its attributes", words.items() <= attributes.items(), (words, attributes))
            told = [json.loads(said) for _, on, said, _ in self.ear.since(start, f"{topic}/event")]
            told = [(event["type"], event["id"], event["seq"]) for event in told if not event["replayed"]]
            self.is_so(f"event.{camera}_event told every event, in order", self.fired(camera, start) == told, (self.fired(camera, start), told))
            for rule in rules:
                wanted = [json.loads(said)["state"] for _, _, said, _ in self.ear.since(start, f"{topic}/rule/{rule}")]
                wanted = distinct([{"ON": "on", "OFF": "off"}.get(state, "unknown") for state in wanted])
                name = f"binary_sensor.{camera}_{rule}"
                shown = distinct([after["state"] for when, changed, _, after in self.home.changes if changed == name and when > start])
                # What it was at the beginning is no change.
                self.is_so(f"{name} followed the rule", shown == wanted or shown == wanted[1:], (shown, wanted))
            told = [event for _, _, event, _ in self.ear.since(start, f"{topic}/event")]
            times = [event["timing_ms"]["total"] for event in map(json.loads, told) if event["timing_ms"]]
            shown = self.home.state(f"sensor.{camera}_model_time")
            self.is_so(f"sensor.{camera}_model_time is what the model took", times and float(shown) == times[-1], (shown, times[-1:]))

    def fired(self, camera, start):
        """Events that Home Assistant fired."""
        name, found, before = f"event.{camera}_event", [], None
        for when, changed, _, after in self.home.changes:
            if changed == name and after and after["state"] not in ("unavailable", "unknown"):
                attributes = after["attributes"]
                one = (attributes.get("event_type"), attributes.get("id"), attributes.get("seq"))
                if when > start and one != before:
                    found.append(one)
                before = one
        return found

    def delays(self, start):
        """From a message that the broker has given out to the state in Home Assistant."""
        delays = []
        for when, topic, payload, _ in self.ear.since(start):
            camera, _, what = topic.removeprefix("eyewitness/garage/").partition("/")
            name = {"description": f"sensor.{camera}_description", "event": f"event.{camera}_event"}.get(what)
            if what.startswith("rule/"):
                name = f"binary_sensor.{camera}_{what[5:]}"
            if not name or not payload:
                continue
            told = json.loads(payload)
            same = ("seq", "id") if what == "event" else ("at",)
            for then, changed, _, after in self.home.changes:
                if changed == name and then > when - 0.1 and all(after["attributes"].get(key) == told[key] for key in same):
                    delays.append(max(0.0, then - when))
                    break
        self.figures["PUBLISH to state in Home Assistant"] = delays

    async def switched_off(self):
        await self.home.call("switch", "turn_off", entity_id="switch.road_enabled")
        names = with_camera({"road": ROAD})
        took = await until(lambda: len(self.lacking(names)) == len(names), 10)
        self.is_so("a camera that is switched off becomes unavailable", took is not None, self.lacking(names))
        told = [name.format("road") for name in WITH_NODE]
        self.is_so("its switch and what tells about it stay", not self.lacking(told), self.lacking(told))
        self.is_so("the switch is off", self.home.state("switch.road_enabled") == "off")
        status = self.home.attributes("sensor.road_status")
        self.is_so("its status says why", status.get("camera_state") == "disabled" and status.get("reason"), status)
        self.is_so("the other camera goes on", not self.lacking(all_of({"hall": HALL})))
        await self.home.call("switch", "turn_on", entity_id="switch.road_enabled")
        await self.there("switched on again, it is there again", BOTH)
        self.is_so("the switch is on", self.home.state("switch.road_enabled") == "on")

    async def killed(self):
        self.daemon.kill()
        names = all_of(BOTH)
        took = await until(lambda: len(self.lacking(names)) == len(names), 10)
        still = [name for name in names if name not in self.lacking(names)]
        self.is_so("everything is unavailable when the daemon dies", took is not None, still)
        self.is_so("but the connection, which is off", self.home.state(CONNECTION) == "off")
        there = await self.started(BOTH, "daemon start to all entities")
        self.is_so("all of it comes back", there, self.lacking(names))
        self.is_so("likewise when it is stopped", await self.stopped())
        await self.started(BOTH, "daemon start to all entities")

    async def cut_off(self):
        """Events that waited for the broker, while Home Assistant was there all the time."""
        await until(lambda: len(self.ear.since(time.monotonic() - 2, "eyewitness/garage/road/event")) > 0, 40)
        await self.line.cut()
        start = time.monotonic()
        await until(lambda: False, 16)
        await self.line.open()
        replayed = lambda: [e for e in (json.loads(m[2]) for m in self.ear.since(start) if m[1].endswith("/event")) if e["replayed"]]
        took = await until(lambda: replayed() and not self.lacking(all_of(BOTH)), 30)
        self.is_so("events that waited come, and say so", took is not None, self.lacking(all_of(BOTH)))
        await until(lambda: False, 1)
        late = {(event["type"], event["id"], event["seq"]) for event in replayed()}
        fired = [one for camera in BOTH for one in self.fired(camera, start) if one in late]
        self.is_so(f"none of these {len(late)} fires anything", not fired, fired)

    async def restarted(self, words, assistant=False, broker=False):
        before = await self.home.entities()
        if assistant:
            self.assistant.stop()
        if broker:
            self.broker.stop()
            await until(lambda: False, 2)
            self.broker.start()
        if assistant:
            self.assistant.start()
            await self.home.wait_for_pages()
            self.home.changes.clear()
            await self.home.listen()
        await self.there(f"{words} restarted: every entity is there again", BOTH, 60)
        self.is_so("as the same entities", {name: one["entity_id"] for name, one in (await self.home.entities()).items()}
                   == {name: one["entity_id"] for name, one in before.items()})
        counted = [WAITING, *(f"sensor.{camera}_frames_skipped" for camera in BOTH)]
        known = await until(lambda: not any(self.home.state(name) in ("unknown", "unavailable") for name in counted), 10)
        self.is_so("counters come with it", known is not None)
        start = time.monotonic()
        fired = await until(lambda: any(self.fired(camera, start) for camera in BOTH), 40)
        self.is_so("and events go on", fired is not None)

    async def taken_out_while_running(self):
        self.daemon.write({"hall": (HALL[0], dict([PERSON]))})
        self.daemon.reload()
        gone = [*all_of({"road": ROAD}), f"binary_sensor.hall_{HAT[0]}"]
        gone.remove(WAITING)
        took = await until(lambda: all(self.home.state(name) is None for name in gone), 10)
        self.is_so("a camera and a rule that were taken out are gone", took is not None, [n for n in gone if self.home.state(n)])
        devices, entities = await self.home.devices(), await self.home.entities()
        left = [one["entity_id"] for one in entities.values() if one["entity_id"] in gone]
        self.is_so("from the registries, too", "eyewitness/garage/road" not in devices and not left, (list(devices), left))
        await self.there("what stays is there", {"hall": (HALL[0], dict([PERSON]))})

    async def taken_out_while_stopped(self):
        self.daemon.write(BOTH)
        self.daemon.reload()
        await self.there("what is put in again is there again", BOTH)
        self.daemon.stop()
        self.daemon.write({"hall": (HALL[0], dict([PERSON]))}, snapshots="off")
        self.daemon.start()
        gone = [*all_of({"road": ROAD}), f"binary_sensor.hall_{HAT[0]}", "image.hall_snapshot"]
        gone.remove(WAITING)
        took = await until(lambda: all(self.home.state(name) is None for name in gone), 10)
        self.is_so("what was taken out while the daemon was stopped is gone", took is not None, [n for n in gone if self.home.state(n)])

    def nothing_in_the_log(self):
        about_us = ("eyewitness", "hall", "road", "garage", "mqtt", "template")
        # Said of a broker that we stopped.
        expected = ("Disconnected from MQTT server", "Error returned from MQTT server", "Failed to connect to MQTT server")
        # The last one is but an INFO there, and means that a state was lost.
        marks = (" WARNING ", " ERROR ", " CRITICAL ", "No matching payload")
        lines = [
            line for line in self.assistant.log()
            if any(mark in line for mark in marks) and any(word in line.lower() for word in about_us)
            and not any(words in line for words in expected)
        ]
        self.is_so("nothing about us is in Home Assistant's log", not lines, "\n        ".join(lines[:20]))

    def summary(self):
        for words, times in self.figures.items():
            bound = STATE if words.startswith("PUBLISH") else READY
            if not times:
                self.is_so(f"{words} was measured", False)
                continue
            shown = f"median {statistics.median(times) * 1000:.0f} ms, most {max(times) * 1000:.0f} ms of {len(times)}"
            self.is_so(f"{words}: {shown}, at most {bound * 1000:.0f} ms", max(times) <= bound)
        print(f"{self.checks} checks, {self.failures} failed", flush=True)

    async def close(self):
        await self.home.close()
        if self.line:
            await self.line.cut()
        for stop in (self.daemon and self.daemon.kill, self.assistant.stop, self.broker.stop, self.ear and self.ear.close):
            if stop:
                stop()
        self.assistant.remove()


def discovery(origin, identifier, device, entity):
    """What somebody else, or we in another version, could have announced."""
    sensor = {"platform": "sensor", "unique_id": entity, "default_entity_id": f"sensor.{entity}", "name": entity, "state_topic": "x/y"}
    return json.dumps({
        "device": {"identifiers": [identifier], "name": device}, "origin": {"name": origin}, "components": {entity: sensor},
    })


def distinct(states):
    return [state for at, state in enumerate(states) if at == 0 or states[at - 1] != state]


async def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="eyewitness-home-assistant-"))
    check = Check(folder)
    try:
        await check.run()
        check.summary()
    finally:
        await check.close()
        if check.failures or sys.exc_info()[0] or os.environ.get("KEEP"):
            print(f"what everybody said is in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder)
    return 1 if check.failures else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
