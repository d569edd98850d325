"""A process of the virtual world, and its sudden end."""

from pykka._envelope import Envelope

from simulation.process import VirtualProcess
from simulation.runtime import VirtualWorld


def test_a_killed_process_is_silent_at_once() -> None:
    """Neither its threads nor its timers do anything more; its neighbours go on."""
    world = VirtualWorld()
    doomed, neighbour = VirtualProcess(world), VirtualProcess(world)
    seen: list[str] = []
    for name, process in (("doomed", doomed), ("neighbour", neighbour)):

        def tick(name: str = name, process: VirtualProcess = process) -> None:
            seen.append(f"{name} ticks")
            process.at(world.monotonic() + 1, tick)

        def loop(name: str = name) -> None:
            while True:
                world.sleep(1)
                seen.append(f"{name} works")

        process.launch(name, loop)
        process.at(1, tick)
    world.run_for(1.5)
    assert sorted(seen) == ["doomed ticks", "doomed works", "neighbour ticks", "neighbour works"]
    seen.clear()
    doomed.kill()
    world.run_for(1)
    assert sorted(seen) == ["neighbour ticks", "neighbour works"]
    world.close()


def test_a_process_waits_and_answers_like_its_world() -> None:
    """Its mailboxes and futures are the world's, its cancelled timers do not go off."""
    world = VirtualWorld()
    process = VirtualProcess(world)
    mailbox, future = process.mailbox(), process.future()
    process.launch("reader", lambda: future.set(mailbox.get().message))
    process.cancel(process.at(1, lambda: mailbox.put(Envelope("cancelled"))))
    process.at(2, lambda: mailbox.put(Envelope("word")))
    assert future.get(timeout=5) == "word"
    process.launch("another", lambda: None)
    world.run_for(1)
    assert world.failures == []
