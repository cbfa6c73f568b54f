"""Home Assistant as its own pages see it: the REST and the WebSocket interface, and every change of a state with its time."""

import asyncio
import time

import aiohttp

# The id of a client is the address of its page.
CLIENT = "http://127.0.0.1/"


class Home:
    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"
        self.session = None
        self.socket = None
        self.tokens = None
        self.states = {}
        # (when it was heard, entity id, state before or None, state after or None)
        self.changes = []
        self._answers = {}
        self._number = 0
        self._reader = None

    async def close(self):
        if self._reader:
            self._reader.cancel()
            self._reader = None
        if self.session:
            await self.session.close()
            self.session = None

    async def wait_for_pages(self, seconds=120):
        """Waits until it answers, and says for how long it did not."""
        start = time.monotonic()
        await self.close()
        self.session = aiohttp.ClientSession()
        while time.monotonic() - start < seconds:
            try:
                async with self.session.get(self.url + "/api/onboarding") as answer:
                    if answer.status in (200, 404):
                        return time.monotonic() - start
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
        raise TimeoutError("Home Assistant does not answer")

    async def onboard(self):
        """Makes the owner, as the first page does."""
        owner = {"client_id": CLIENT, "name": "Owner", "username": "owner", "password": "eyewitness", "language": "en"}
        code = (await self.post("/api/onboarding/users", owner))["auth_code"]
        form = {"grant_type": "authorization_code", "code": code, "client_id": CLIENT}
        async with self.session.post(self.url + "/auth/token", data=form) as answer:
            self.tokens = await answer.json()
        await self.post("/api/onboarding/core_config", {})
        await self.post("/api/onboarding/analytics", {})
        await self.post("/api/onboarding/integration", {"client_id": CLIENT, "redirect_uri": CLIENT})

    async def renew(self):
        form = {"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"], "client_id": CLIENT}
        async with self.session.post(self.url + "/auth/token", data=form) as answer:
            self.tokens.update(await answer.json())

    async def add_broker(self, port):
        """Adds the broker, as the page of integrations does."""
        flow = await self.post("/api/config/config_entries/flow", {"handler": "mqtt", "show_advanced_options": False})
        answer = await self.post(f"/api/config/config_entries/flow/{flow['flow_id']}", {"broker": "127.0.0.1", "port": port})
        if answer["type"] != "create_entry":
            raise RuntimeError(f"the broker was not taken: {answer}")

    def _headers(self):
        return {"Authorization": f"Bearer {self.tokens['access_token']}"} if self.tokens else {}

    async def post(self, path, body):
        async with self.session.post(self.url + path, json=body, headers=self._headers()) as answer:
            if answer.status not in (200, 201):
                raise RuntimeError(f"{path}: {answer.status} {await answer.text()}")
            return await answer.json()

    async def get(self, path):
        async with self.session.get(self.url + path, headers=self._headers()) as answer:
            return await (answer.json() if answer.content_type == "application/json" else answer.read())

    async def call(self, domain, service, **data):
        return await self.post(f"/api/services/{domain}/{service}", data)

    async def listen(self):
        """Opens the WebSocket and follows all states from here on."""
        await self.renew()
        self.socket = await self.session.ws_connect(self.url + "/api/websocket", max_msg_size=0)
        await self.socket.receive_json()
        await self.socket.send_json({"type": "auth", "access_token": self.tokens["access_token"]})
        if (await self.socket.receive_json())["type"] != "auth_ok":
            raise RuntimeError("the WebSocket refuses the token")
        self._reader = asyncio.create_task(self._read())
        await self.ask("subscribe_events", event_type="state_changed")
        self.states = {state["entity_id"]: state for state in await self.ask("get_states")}

    async def ask(self, what, **more):
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        await self.socket.send_json({"id": self._number, "type": what, **more})
        return await asyncio.wait_for(answer, 20)

    async def _read(self):
        async for message in self.socket:
            said = message.json()
            for one in said if isinstance(said, list) else [said]:
                self._heard(one)

    def _heard(self, message):
        if message["type"] == "result":
            answer = self._answers.pop(message["id"])
            if answer.cancelled():
                return
            if message["success"]:
                answer.set_result(message["result"])
            else:
                answer.set_exception(RuntimeError(str(message["error"])))
        elif message["type"] == "event":
            data = message["event"]["data"]
            name, before, after = data["entity_id"], data["old_state"], data["new_state"]
            self.changes.append((time.monotonic(), name, before, after))
            if after is None:
                self.states.pop(name, None)
            else:
                self.states[name] = after

    def state(self, name):
        """Its state, or None if there is no such entity."""
        found = self.states.get(name)
        return found and found["state"]

    def attributes(self, name):
        return self.states.get(name, {}).get("attributes", {})

    async def entities(self):
        """Entities of the registry that came over MQTT, by their unique id."""
        found = await self.ask("config/entity_registry/list")
        return {one["unique_id"]: one for one in found if one["platform"] == "mqtt"}

    async def devices(self):
        found = await self.ask("config/device_registry/list")
        return {known[1]: one for one in found for known in one["identifiers"] if known[0] == "mqtt"}
