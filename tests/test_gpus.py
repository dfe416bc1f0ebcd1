"""GPUs: from the words of Docker's command line to what the Engine is asked for."""

from __future__ import annotations

from typing import Any

import docker
import pytest

from app.runner.gpus import device_requests
from app.runner.verdict import Failure


def request(**given: Any) -> dict[str, Any]:
    return {"Driver": "", "Count": 0, "DeviceIDs": [], "Capabilities": [["gpu"]], "Options": {}} | given


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", request(Count=-1)),
        ("2", request(Count=2)),
        ("count=1", request(Count=1)),
        ("device=0", request(DeviceIDs=["0"])),
        ('"device=0,GPU-3a23c669"', request(DeviceIDs=["0", "GPU-3a23c669"])),
        ("all,driver=nvidia", request(Count=-1, Driver="nvidia")),
        ('all,"capabilities=compute,utility"', request(Count=-1, Capabilities=[["compute", "utility", "gpu"]])),
        ("capabilities=utility", request(Count=1, Capabilities=[["utility", "gpu"]])),
    ],
)
def test_gpus_are_asked_for_as_docker_does(text: str, expected: dict[str, Any]) -> None:
    assert device_requests(text) == [expected]


def test_a_task_without_gpus_asks_for_none() -> None:
    assert device_requests("") == []


@pytest.mark.parametrize(
    "text",
    [
        *("all,--privileged", "device=../../x", "none", "-1", "0", "count=1,count=2", "device=0,count=1", 'device="0'),
        *("all,options=x=y", "all,driver=cdi", "driver=../x", "all,capabilities=--x", ","),
    ],
)
def test_what_is_no_gpu_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="GPUs"):
        device_requests(text)


def test_the_engine_takes_the_request(docker_client: docker.DockerClient) -> None:
    body = {"Image": "busybox:stable", "HostConfig": {"DeviceRequests": device_requests("2,driver=nvidia")}}
    api: Any = docker_client.api
    container = api.create_container_from_config(body)["Id"]
    try:
        (taken,) = api.inspect_container(container)["HostConfig"]["DeviceRequests"]
        assert taken == request(Count=2, Driver="nvidia") | {"DeviceIDs": taken["DeviceIDs"]}
        assert not taken["DeviceIDs"]
    finally:
        api.remove_container(container)
