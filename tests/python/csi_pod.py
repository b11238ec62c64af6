"""One pod's life in steps, a process each: begin (stage, publish, write), hold (open files before a kill), look (read, within 30 s of
the mount's coming back), end (unpublish, unstage, delete)."""
import os
import sys
import time

from csi_client import Driver, capability, csi

ROOT = os.environ["CSI_ROOT"]
STAGE, TARGET = ROOT + "/pod-stage", ROOT + "/pod-target"
driver = Driver(os.environ["CSI_SOCKET"])


def begin():
    volume = driver.CreateVolume(
        name="pod", volume_capabilities=[capability()], capacity_range=csi.CapacityRange(required_bytes=1 << 30)).volume
    driver.NodeStageVolume(
        volume_id="pod", staging_target_path=STAGE, volume_capability=capability(), volume_context=volume.volume_context)
    driver.NodePublishVolume(
        volume_id="pod", staging_target_path=STAGE, target_path=TARGET, volume_capability=capability(),
        volume_context=volume.volume_context)
    with open(TARGET + "/file", "w") as file:
        file.write("written by the pod")
        os.fsync(file.fileno())


def hold():
    assert open(TARGET + "/file").read() == "written by the pod"


def look():
    deadline = time.monotonic() + 30
    while True:
        try:
            assert open(TARGET + "/file").read() == "written by the pod"
            stats = driver.NodeGetVolumeStats(volume_id="pod", volume_path=TARGET)
            assert not stats.volume_condition.abnormal, stats
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def end():
    driver.NodeUnpublishVolume(volume_id="pod", target_path=TARGET)
    driver.NodeUnstageVolume(volume_id="pod", staging_target_path=STAGE)
    driver.DeleteVolume(volume_id="pod")
    assert not os.path.exists(TARGET) and os.listdir(STAGE) == []


{"begin": begin, "hold": hold, "look": look, "end": end}[sys.argv[1]]()
