"""A consumer of channels that says who is connected."""

from channels.generic.websocket import AsyncJsonWebsocketConsumer


class WhoAmI(AsyncJsonWebsocketConsumer):
    async def connect(self):
        await self.accept()
        await self.send_json({"user": self.scope["user"].get_username(), "session": self.scope["token"].sid})
