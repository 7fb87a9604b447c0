"""Two services of ours, with two folders, beside each other."""

from __future__ import annotations

import signal

from tests.chaos.fault import fault
from tests.chaos.lane import Lane
from tests.chaos.processes import hold_of_folder, of_folder


@fault("A", "kill -9 of every process of a second service of ours", "the first serves on and loses nothing")
async def kill_neighbour(lane: Lane) -> None:
    service = await lane.standing()
    daemon = service.daemon
    neighbour = await lane.start("neighbour", env={"PRO_ENGINE_PORT": "0"})
    assert neighbour.address != service.address
    for pid in list(of_folder(neighbour.state_dir)):
        if held := hold_of_folder(pid, neighbour.state_dir):
            held.signal(signal.SIGKILL)
            held.close()
    await neighbour.supervisor.death()
    await lane.serves(service)
    assert service.daemon is daemon
    assert daemon.alive
    await lane.end(neighbour)
