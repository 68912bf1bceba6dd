"""The floor of a station: the barest asyncio loop that shows a browser what is said over MQTT, and nothing else.

No topics told apart, nothing checked, kept, aged or resumed; every message goes to every page as it came. Argument: the
broker's port. Prints `ready URL`.
"""

import asyncio
import sys

import paho.mqtt.client as mqtt

PAGE = b"""<!doctype html><title>floor</title><main></main><script>
const kept = new Map();
new EventSource("/events").onmessage = (event) => {
  const at = event.data.indexOf(" ");
  const topic = event.data.slice(0, at);
  if (!kept.has(topic)) kept.set(topic, document.querySelector("main").appendChild(document.createElement("div")));
  const tile = kept.get(topic);
  tile.className = "tile";
  tile.dataset.key = topic;
  tile.textContent = event.data.slice(at + 1);
};
</script>"""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nCache-Control: no-store\r\n%b\r\n"


async def main() -> None:
    """Relay until ended."""
    pages: set[asyncio.StreamWriter] = set()
    retained: dict[str, bytes] = {}
    loop = asyncio.get_running_loop()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)

    def relay(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        said = b"data: %b %b\n\n" % (message.topic.encode(), message.payload)
        retained[message.topic] = said
        for page in pages:
            page.write(said)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        if not asked.startswith(b"GET /events "):
            writer.write(HEAD % (b"text/html", b"Content-Length: %d\r\nConnection: close\r\n" % len(PAGE)) + PAGE)
            writer.close()
            return
        writer.write(HEAD % (b"text/event-stream", b"") + b"".join(retained.values()))
        pages.add(writer)
        await reader.read()
        pages.discard(writer)
        writer.close()

    client.on_message = relay
    client.on_connect = lambda *_: client.subscribe("#")
    client.connect("127.0.0.1", int(sys.argv[1]), keepalive=3600)
    loop.add_reader(client.socket(), lambda: (client.loop_read(), client.loop_write()))
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    sys.stdout.write(f"ready http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
