"""A service of WeeWX that posts each loop packet as a document, as its Rapidfire does; WeeWX loads it by its name."""

import json
import queue

import weewx
import weewx.restx

FIRST = 100_000_000


class Posting(weewx.restx.StdRESTful):  # type: ignore[misc]  # without annotations
    """Put each loop packet into the queue of a thread that posts them."""

    def __init__(self, engine, config_dict) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  -- as above
        super().__init__(engine, config_dict)
        self.loop_queue: queue.Queue[object] = queue.Queue()
        self.loop_thread = Thread(self.loop_queue, config_dict["Posting"]["url"])
        self.loop_thread.start()
        self._number = FIRST
        self.bind(weewx.NEW_LOOP_PACKET, self.take)

    def take(self, event) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  -- as above
        """Number a packet, and put it into the queue."""
        self.loop_queue.put({**event.packet, "number": self._number})
        self._number += 1


class Thread(weewx.restx.RESTThread):  # type: ignore[misc]  # as above
    """Post what is in the queue, one after the other."""

    def __init__(self, waiting: "queue.Queue[object]", url: str) -> None:
        super().__init__(waiting, protocol_name="Posting")
        self._url = url

    def format_url(self, _record: object) -> str:
        """Return where to."""
        return self._url

    def get_post_body(self, record: object) -> tuple[str, str]:
        """Return the document."""
        return json.dumps(record), "application/json"
