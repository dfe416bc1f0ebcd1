"""What people write for a field that has another name or another place here, and what to write instead."""

LIMITS = {"cpu": "write cpus", "mem": "write memory", "ram": "write memory"}
RETRY = {
    "initialDelay": "write delay",
    "scalingFactor": "write backoff",
    "maxInterval": "write maxDelay",
    "attempts": "write limit",
}
PROGRAM = {
    "command": "write cmd",
    "environment": "write env",
    "script": "write run",
    "probe": "it is for tasks in sidecars",
    "always": "it is for tasks in post",
}
AUXILIARY = PROGRAM | dict.fromkeys(("mounts", "networks", "limits", "gpus"), "write it into the task around this one")
TASK = PROGRAM | {
    "volumes": "write mounts",
    "cpu": "write limits: {cpus: 1}",
    "cpus": "write limits: {cpus: 1}",
    "mem": "write limits: {memory: 1g}",
    "memory": "write limits: {memory: 1g}",
}
