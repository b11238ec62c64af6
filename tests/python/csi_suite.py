"""Every method of the CSI driver and every error the specification names, through Debian's grpcio, against the driver as users run it.

Environment: CSI_MESSAGES (folder with csi_pb2.py), CSI_SOCKET, CSI_REGISTRATION (its socket), CSI_ROOT (a folder for targets),
CSI_BUCKET (a folder to attach, with one.txt holding "1"), CSI_STORE (the store that serves it), CSI_MOUNTS ("real" where the node
mounts; else node calls that mount are not
made). Prints a line a check, then "N passed, M failed"; exit status 1 where one failed.
"""
import concurrent.futures
import os
import time
import traceback
import uuid

from csi_client import Driver, block, capability, csi, grpc, registration

Mode = csi.VolumeCapability.AccessMode
ROOT = os.environ["CSI_ROOT"]
Gi = 1 << 30
driver = Driver(os.environ["CSI_SOCKET"])
checks = []


def check(function):
    checks.append((function.__name__.replace("_", " "), function))
    return function


def fails(code, call, *args, message=None, **fields):
    """The call must end with this status; its message must say something."""
    try:
        call(*args, **fields)
    except grpc.RpcError as error:
        assert error.code() == code, f"{error.code()} instead of {code}: {error.details()}"
        assert error.details(), "no message"
        if message:
            assert message in error.details(), error.details()
        return error
    raise AssertionError(f"the call worked instead of ending with {code}")


def name(prefix="py"):
    return f"{prefix}-{uuid.uuid4().hex}"


def make(volume=None, size=Gi, **more):
    return driver.CreateVolume(
        name=volume or name(), capacity_range=csi.CapacityRange(required_bytes=size),
        volume_capabilities=more.pop("capabilities", [capability()]), **more).volume


def snap(volume, snapshot=None):
    return driver.CreateSnapshot(source_volume_id=volume.volume_id, name=snapshot or name("snap")).snapshot


def stage(volume, cap=None, path=None, **more):
    path = path or os.path.join(ROOT, name("stage"))
    driver.NodeStageVolume(
        volume_id=volume.volume_id, staging_target_path=path, volume_capability=cap or capability(),
        volume_context=volume.volume_context, **more)
    return path


def publish(volume, staging, cap=None, target=None, **more):
    target = target or os.path.join(ROOT, name("target"))
    driver.NodePublishVolume(
        volume_id=volume.volume_id, staging_target_path=staging, target_path=target,
        volume_capability=cap or capability(), volume_context=volume.volume_context, **more)
    return target


S = grpc.StatusCode

# ---- the wire ---------------------------------------------------------------------------------------------------


@check
def unknown_methods_and_services_are_unimplemented():
    for path in ("/csi.v1.Node/NodeFly", "/csi.v1.GroupController/GroupControllerGetCapabilities", "/other/Method"):
        fails(S.UNIMPLEMENTED, driver.raw, path)


@check
def calls_that_are_not_advertised_are_unimplemented():
    fails(S.UNIMPLEMENTED, driver.ControllerPublishVolume, volume_id="v", node_id="n", volume_capability=capability())
    fails(S.UNIMPLEMENTED, driver.ControllerUnpublishVolume, volume_id="v", node_id="n")
    fails(S.UNIMPLEMENTED, driver.ControllerModifyVolume, volume_id="v")


@check
def what_is_no_message_is_internal():
    fails(S.INTERNAL, driver.raw, "/csi.v1.Controller/CreateVolume", b"\x0a\xff")


@check
def a_message_over_the_limit_is_refused():
    big = grpc.insecure_channel("unix://" + os.environ["CSI_SOCKET"], options=[("grpc.max_send_message_length", -1)])
    fails(S.RESOURCE_EXHAUSTED, big.unary_unary("/csi.v1.Identity/Probe"), b"x" * (5 << 20))
    big.close()


@check
def any_characters_in_a_message_arrive():
    fails(S.INVALID_ARGUMENT, driver.NodeStageVolume, volume_id="v", volume_capability=capability(),
          staging_target_path=ROOT + "/n\u00f6/100%/\u4e2d/x", message="/n\u00f6/100%/\u4e2d/x")


@check
def a_deadline_that_is_over_ends_the_call():
    fails(S.DEADLINE_EXCEEDED, driver.ListVolumes, timeout=0.000001)


@check
def two_hundred_calls_share_a_connection():
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        names = list(pool.map(lambda _: driver.GetPluginInfo().name, range(200)))
    assert set(names) == {"csi.datalayer.io"}


@check
def fifty_connections_are_served():
    channels = [Driver(os.environ["CSI_SOCKET"]) for _ in range(50)]
    assert all(c.Probe().ready.value for c in channels)
    for channel in channels:
        channel.close()


@check
def a_cancelled_call_does_no_harm():
    request = csi.ListVolumesRequest()
    call = driver.channel.unary_unary(
        "/csi.v1.Controller/ListVolumes", request_serializer=csi.ListVolumesRequest.SerializeToString,
        response_deserializer=csi.ListVolumesResponse.FromString).future(request)
    call.cancel()
    assert driver.Probe().ready.value


# ---- identity ---------------------------------------------------------------------------------------------------


@check
def the_driver_says_who_it_is():
    info = driver.GetPluginInfo()
    assert info.name == "csi.datalayer.io" and info.vendor_version


@check
def the_driver_says_what_it_offers():
    capabilities = driver.GetPluginCapabilities().capabilities
    services = {c.service.type for c in capabilities if c.HasField("service")}
    assert services == {csi.PluginCapability.Service.CONTROLLER_SERVICE,
                        csi.PluginCapability.Service.VOLUME_ACCESSIBILITY_CONSTRAINTS}
    assert [c.volume_expansion.type for c in capabilities if c.HasField("volume_expansion")] == [1]


@check
def the_driver_is_well():
    assert driver.Probe().ready.value


@check
def the_kubelet_finds_the_driver():
    channel = grpc.insecure_channel("unix://" + os.environ["CSI_REGISTRATION"])
    info = channel.unary_unary(
        "/pluginregistration.Registration/GetInfo", request_serializer=registration.InfoRequest.SerializeToString,
        response_deserializer=registration.PluginInfo.FromString)(registration.InfoRequest(), timeout=10)
    assert (info.type, info.name, list(info.supported_versions)) == ("CSIPlugin", "csi.datalayer.io", ["1.0.0"])
    assert info.endpoint.startswith("/")
    channel.unary_unary(
        "/pluginregistration.Registration/NotifyRegistrationStatus",
        request_serializer=registration.RegistrationStatus.SerializeToString,
        response_deserializer=registration.RegistrationStatusResponse.FromString)(
            registration.RegistrationStatus(plugin_registered=True), timeout=10)
    channel.close()


# ---- volumes ----------------------------------------------------------------------------------------------------


@check
def controller_capabilities_are_those_that_are_tested_here():
    types = {c.rpc.type for c in driver.ControllerGetCapabilities().capabilities}
    rpc = csi.ControllerServiceCapability.RPC
    assert types == {
        rpc.CREATE_DELETE_VOLUME, rpc.LIST_VOLUMES, rpc.GET_CAPACITY, rpc.CREATE_DELETE_SNAPSHOT, rpc.LIST_SNAPSHOTS,
        rpc.CLONE_VOLUME, rpc.EXPAND_VOLUME, rpc.VOLUME_CONDITION, rpc.GET_VOLUME, rpc.SINGLE_NODE_MULTI_WRITER,
        rpc.GET_SNAPSHOT}


@check
def creating_is_idempotent():
    volume = make()
    assert volume == make(volume.volume_id)
    driver.DeleteVolume(volume_id=volume.volume_id)
    driver.DeleteVolume(volume_id=volume.volume_id)


@check
def creating_at_once_makes_one():
    wanted = name()

    def attempt(_):
        try:
            return make(wanted).volume_id
        except grpc.RpcError as error:
            assert error.code() == S.ABORTED, error
            return None

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        made = {v for v in pool.map(attempt, range(64)) if v}
    assert len(made) == 1
    assert make(wanted).volume_id in made


@check
def creating_and_deleting_at_once_ends_in_one_of_both():
    wanted = name()

    def attempt(i):
        try:
            make(wanted) if i % 2 else driver.DeleteVolume(volume_id=wanted)
        except grpc.RpcError as error:
            assert error.code() == S.ABORTED, error

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(attempt, range(64)))
    driver.DeleteVolume(volume_id=wanted)
    fails(S.NOT_FOUND, driver.ControllerGetVolume, volume_id=wanted)


BAD_VOLUMES = {
    "no name": (S.INVALID_ARGUMENT, dict(name="")),
    "long name": (S.INVALID_ARGUMENT, dict(name="n" * 129)),
    "no capabilities": (S.INVALID_ARGUMENT, dict(volume_capabilities=[])),
    "no access mode": (S.INVALID_ARGUMENT, dict(volume_capabilities=[csi.VolumeCapability(
        mount=csi.VolumeCapability.MountVolume())])),
    "no access type": (S.INVALID_ARGUMENT, dict(volume_capabilities=[csi.VolumeCapability(
        access_mode=Mode(mode=1))])),
    "block": (S.INVALID_ARGUMENT, dict(volume_capabilities=[block()])),
    "one of two is block": (S.INVALID_ARGUMENT, dict(volume_capabilities=[capability(), block()])),
    "unknown parameter": (S.INVALID_ARGUMENT, dict(parameters={"colour": "red"})),
    "mutable parameters": (S.INVALID_ARGUMENT, dict(mutable_parameters={"iops": "9"})),
    "negative": (S.INVALID_ARGUMENT, dict(capacity_range=csi.CapacityRange(required_bytes=-1))),
    "impossible range": (S.OUT_OF_RANGE, dict(capacity_range=csi.CapacityRange(required_bytes=2, limit_bytes=1))),
    "empty source": (S.INVALID_ARGUMENT, dict(volume_content_source=csi.VolumeContentSource())),
    "missing snapshot": (S.NOT_FOUND, dict(volume_content_source=csi.VolumeContentSource(
        snapshot=csi.VolumeContentSource.SnapshotSource(snapshot_id="never-made")))),
    "missing volume": (S.NOT_FOUND, dict(volume_content_source=csi.VolumeContentSource(
        volume=csi.VolumeContentSource.VolumeSource(volume_id="never-made")))),
    "unreachable": (S.RESOURCE_EXHAUSTED, dict(accessibility_requirements=csi.TopologyRequirement(requisite=[
        csi.Topology(segments={"topology.csi.datalayer.io/tree": "another"})]))),
}


def bad_volume(what):
    def run():
        code, change = BAD_VOLUMES[what]
        fields = dict(name=name("bad"), volume_capabilities=[capability()])
        fields.update(change)
        fails(code, driver.CreateVolume, **fields)
        if fields["name"]:
            fails(S.INVALID_ARGUMENT if len(fields["name"]) > 128 else S.NOT_FOUND,
                  driver.ControllerGetVolume, volume_id=fields["name"])
    return run


for what in BAD_VOLUMES:
    checks.append((f"a volume is refused: {what}", bad_volume(what)))


def every_mode(mode):
    return lambda: make(capabilities=[capability(mode)])


for mode in range(1, 8):
    checks.append((f"a volume can be had for access mode {mode}", every_mode(mode)))


@check
def a_volume_that_is_there_must_fit():
    volume = make()
    fails(S.ALREADY_EXISTS, make, volume.volume_id, size=2 * Gi)
    fails(S.ALREADY_EXISTS, make, volume.volume_id, parameters={"profile": "large"})
    fails(S.ALREADY_EXISTS, make, volume.volume_id, volume_content_source=csi.VolumeContentSource(
        volume=csi.VolumeContentSource.VolumeSource(volume_id="x")))


@check
def odd_names_are_names():
    for odd in ("../x", "a/b", "ü", "x-1", ".", "a b"):
        wanted = odd + name("/")
        volume = make(wanted)
        assert volume == make(wanted)
        driver.DeleteVolume(volume_id=volume.volume_id)


@check
def a_volume_is_where_its_tree_is():
    tree = driver.NodeGetInfo().accessible_topology.segments["topology.csi.datalayer.io/tree"]
    wanted = csi.TopologyRequirement(
        requisite=[csi.Topology(segments={"topology.csi.datalayer.io/tree": t}) for t in ("other", tree)])
    volume = make(accessibility_requirements=wanted)
    assert volume.accessible_topology[0].segments["topology.csi.datalayer.io/tree"] == tree


@check
def deleting_wants_an_id():
    fails(S.INVALID_ARGUMENT, driver.DeleteVolume)


@check
def deleting_what_is_not_there_is_done():
    for gone in ("never-made", "../..", "with space"):
        driver.DeleteVolume(volume_id=gone)


@check
def validating_confirms_what_can_be():
    volume = make()
    answer = driver.ValidateVolumeCapabilities(
        volume_id=volume.volume_id, volume_context=volume.volume_context,
        volume_capabilities=[capability(m) for m in range(1, 8)])
    assert len(answer.confirmed.volume_capabilities) == 7
    answer = driver.ValidateVolumeCapabilities(volume_id=volume.volume_id, volume_capabilities=[block()])
    assert not answer.HasField("confirmed") and answer.message


@check
def validating_refuses_what_is_missing():
    fails(S.INVALID_ARGUMENT, driver.ValidateVolumeCapabilities, volume_capabilities=[capability()])
    fails(S.INVALID_ARGUMENT, driver.ValidateVolumeCapabilities, volume_id=make().volume_id)
    fails(S.NOT_FOUND, driver.ValidateVolumeCapabilities, volume_id="never-made", volume_capabilities=[capability()])


@check
def listing_pages_hold_every_volume_once():
    made = {make().volume_id for _ in range(5)}
    seen, token = [], ""
    while True:
        page = driver.ListVolumes(max_entries=2, starting_token=token)
        assert len(page.entries) <= 2
        seen += [entry.volume.volume_id for entry in page.entries]
        token = page.next_token
        if not token:
            break
    assert len(seen) == len(set(seen)) and made <= set(seen)
    assert {e.volume.volume_id for e in driver.ListVolumes().entries} == set(seen)


@check
def listing_refuses_bad_tokens_and_limits():
    fails(S.ABORTED, driver.ListVolumes, starting_token="invalid-token")
    fails(S.INVALID_ARGUMENT, driver.ListVolumes, max_entries=-1)
    fails(S.ABORTED, driver.ListSnapshots, starting_token="invalid-token")
    fails(S.INVALID_ARGUMENT, driver.ListSnapshots, max_entries=-1)


@check
def a_deleted_volume_is_in_no_list():
    volume = make()
    driver.DeleteVolume(volume_id=volume.volume_id)
    assert volume.volume_id not in {e.volume.volume_id for e in driver.ListVolumes().entries}


@check
def getting_a_volume_shows_its_condition():
    volume = make()
    answer = driver.ControllerGetVolume(volume_id=volume.volume_id)
    assert answer.volume == volume and not answer.status.volume_condition.abnormal
    fails(S.NOT_FOUND, driver.ControllerGetVolume, volume_id="never-made")
    fails(S.INVALID_ARGUMENT, driver.ControllerGetVolume)


@check
def capacity_can_be_asked():
    assert driver.GetCapacity().available_capacity > 0
    assert driver.GetCapacity(volume_capabilities=[block()]).available_capacity == 0
    fails(S.INVALID_ARGUMENT, driver.GetCapacity, parameters={"colour": "red"})


@check
def expanding_is_idempotent_and_never_shrinks():
    volume = make()
    for wanted, expected in ((2 * Gi, 2 * Gi), (2 * Gi, 2 * Gi), (Gi, 2 * Gi)):
        answer = driver.ControllerExpandVolume(
            volume_id=volume.volume_id, capacity_range=csi.CapacityRange(required_bytes=wanted))
        assert answer.capacity_bytes == expected and not answer.node_expansion_required
    fails(S.OUT_OF_RANGE, driver.ControllerExpandVolume, volume_id=volume.volume_id,
          capacity_range=csi.CapacityRange(limit_bytes=Gi))


@check
def expanding_refuses_what_is_missing():
    more = csi.CapacityRange(required_bytes=2 * Gi)
    fails(S.INVALID_ARGUMENT, driver.ControllerExpandVolume, capacity_range=more)
    fails(S.INVALID_ARGUMENT, driver.ControllerExpandVolume, volume_id=make().volume_id)
    fails(S.NOT_FOUND, driver.ControllerExpandVolume, volume_id="never-made", capacity_range=more)
    fails(S.INVALID_ARGUMENT, driver.ControllerExpandVolume, volume_id=make().volume_id, capacity_range=more,
          volume_capability=block())


# ---- snapshots --------------------------------------------------------------------------------------------------


@check
def snapping_is_idempotent():
    volume = make()
    snapshot = snap(volume)
    assert snapshot == snap(volume, snapshot.snapshot_id) and snapshot.ready_to_use
    assert abs(snapshot.creation_time.seconds - time.time()) < 600
    assert driver.GetSnapshot(snapshot_id=snapshot.snapshot_id).snapshot == snapshot
    fails(S.ALREADY_EXISTS, snap, make(), snapshot.snapshot_id)
    driver.DeleteSnapshot(snapshot_id=snapshot.snapshot_id)
    driver.DeleteSnapshot(snapshot_id=snapshot.snapshot_id)
    fails(S.NOT_FOUND, driver.GetSnapshot, snapshot_id=snapshot.snapshot_id)


@check
def snapping_refuses_what_is_missing():
    fails(S.INVALID_ARGUMENT, driver.CreateSnapshot, source_volume_id="v")
    fails(S.INVALID_ARGUMENT, driver.CreateSnapshot, name="s")
    fails(S.NOT_FOUND, driver.CreateSnapshot, name=name(), source_volume_id="never-made")
    fails(S.INVALID_ARGUMENT, driver.DeleteSnapshot)
    fails(S.INVALID_ARGUMENT, driver.GetSnapshot)


@check
def snapshots_are_listed_by_id_and_by_volume():
    one, other = make(), make()
    made = [snap(one), snap(one), snap(other)]
    ids = lambda **f: [e.snapshot.snapshot_id for e in driver.ListSnapshots(**f).entries]  # noqa: E731
    assert ids(snapshot_id=made[0].snapshot_id) == [made[0].snapshot_id]
    assert set(ids(source_volume_id=one.volume_id)) == {made[0].snapshot_id, made[1].snapshot_id}
    assert ids(snapshot_id="never-made") == ids(source_volume_id="never-made") == []
    page = driver.ListSnapshots(source_volume_id=one.volume_id, max_entries=1)
    rest = driver.ListSnapshots(source_volume_id=one.volume_id, max_entries=1, starting_token=page.next_token)
    assert page.next_token and not rest.next_token and page.entries[0] != rest.entries[0]


@check
def a_volume_comes_from_a_snapshot_and_from_a_volume():
    volume = make()
    for source in (
            csi.VolumeContentSource(snapshot=csi.VolumeContentSource.SnapshotSource(snapshot_id=snap(volume).snapshot_id)),
            csi.VolumeContentSource(volume=csi.VolumeContentSource.VolumeSource(volume_id=volume.volume_id))):
        copy = make(volume_content_source=source)
        assert copy.content_source == source
        assert copy == make(copy.volume_id, volume_content_source=source)
        fails(S.ALREADY_EXISTS, make, copy.volume_id)
    fails(S.OUT_OF_RANGE, make, size=1 << 20, volume_content_source=csi.VolumeContentSource(
        volume=csi.VolumeContentSource.VolumeSource(volume_id=volume.volume_id)))


# ---- the node ---------------------------------------------------------------------------------------------------


@check
def node_capabilities_are_those_that_are_tested_here():
    rpc = csi.NodeServiceCapability.RPC
    assert {c.rpc.type for c in driver.NodeGetCapabilities().capabilities} == {
        rpc.STAGE_UNSTAGE_VOLUME, rpc.GET_VOLUME_STATS, rpc.EXPAND_VOLUME, rpc.VOLUME_CONDITION,
        rpc.SINGLE_NODE_MULTI_WRITER, rpc.VOLUME_MOUNT_GROUP}


@check
def the_node_says_who_and_where_it_is():
    info = driver.NodeGetInfo()
    assert info.node_id == "py-node" and "topology.csi.datalayer.io/tree" in info.accessible_topology.segments


@check
def staging_refuses_what_is_missing():
    path = os.path.join(ROOT, name("stage"))
    fails(S.INVALID_ARGUMENT, driver.NodeStageVolume, staging_target_path=path, volume_capability=capability())
    fails(S.INVALID_ARGUMENT, driver.NodeStageVolume, volume_id="v", volume_capability=capability())
    fails(S.INVALID_ARGUMENT, driver.NodeStageVolume, volume_id="v", staging_target_path=path)
    fails(S.NOT_FOUND, driver.NodeStageVolume, volume_id="never-made", staging_target_path=path,
          volume_capability=capability())
    fails(S.FAILED_PRECONDITION, driver.NodeStageVolume, volume_id=make().volume_id, staging_target_path=path,
          volume_capability=block())


@check
def targets_that_lead_elsewhere_are_refused():
    volume = make()
    link = os.path.join(ROOT, name("link"))
    os.symlink("/etc", link)
    for path in ("stage", "/etc/x", ROOT + "/../x", ROOT + "/./x", link, link + "/x", "/", ROOT + "/" + "p" * 5000):
        fails(S.INVALID_ARGUMENT, stage, volume, path=path)
        fails(S.INVALID_ARGUMENT, driver.NodeUnpublishVolume, volume_id=volume.volume_id, target_path=path) \
            if path != link else None
    os.unlink(link)


@check
def publishing_refuses_what_is_missing():
    volume, target = make(), os.path.join(ROOT, name("target"))
    good = dict(volume_id=volume.volume_id, target_path=target, staging_target_path=ROOT + "/none",
                volume_capability=capability())
    for field in ("volume_id", "target_path", "volume_capability"):
        fails(S.INVALID_ARGUMENT, driver.NodePublishVolume, **{k: v for k, v in good.items() if k != field})
    fails(S.FAILED_PRECONDITION, driver.NodePublishVolume, **{**good, "staging_target_path": ""})
    fails(S.FAILED_PRECONDITION, driver.NodePublishVolume, **good)
    fails(S.FAILED_PRECONDITION, driver.NodePublishVolume, **{**good, "volume_capability": block()})
    assert not os.path.exists(target)


@check
def taking_down_refuses_what_is_missing_and_forgives_what_is_gone():
    fails(S.INVALID_ARGUMENT, driver.NodeUnpublishVolume, target_path="/t")
    fails(S.INVALID_ARGUMENT, driver.NodeUnpublishVolume, volume_id="v")
    fails(S.INVALID_ARGUMENT, driver.NodeUnstageVolume, staging_target_path="/t")
    fails(S.INVALID_ARGUMENT, driver.NodeUnstageVolume, volume_id="v")
    driver.NodeUnpublishVolume(volume_id="v", target_path=ROOT + "/gone/target")
    driver.NodeUnstageVolume(volume_id="v", staging_target_path=ROOT + "/gone/stage")


@check
def statistics_refuse_what_is_missing():
    fails(S.INVALID_ARGUMENT, driver.NodeGetVolumeStats, volume_path="/t")
    fails(S.INVALID_ARGUMENT, driver.NodeGetVolumeStats, volume_id="v")
    fails(S.NOT_FOUND, driver.NodeGetVolumeStats, volume_id="v", volume_path=ROOT + "/x")
    fails(S.INVALID_ARGUMENT, driver.NodeExpandVolume, volume_path="/t")
    fails(S.INVALID_ARGUMENT, driver.NodeExpandVolume, volume_id="v")
    fails(S.NOT_FOUND, driver.NodeExpandVolume, volume_id="v", volume_path=ROOT + "/x")


def mounted(function):
    """A check that needs mounts."""
    return check(function) if os.environ.get("CSI_MOUNTS") == "real" else function


@mounted
def a_pod_writes_and_another_reads():
    volume = make()
    cap = capability(Mode.MULTI_NODE_MULTI_WRITER)
    staging = stage(volume, cap)
    one, two = publish(volume, staging, cap), publish(volume, staging, cap)
    with open(one + "/data", "w") as file:
        file.write("from one")
    assert open(two + "/data").read() == "from one"
    fails(S.FAILED_PRECONDITION, driver.NodeUnstageVolume, volume_id=volume.volume_id, staging_target_path=staging)
    fails(S.FAILED_PRECONDITION, driver.DeleteVolume, volume_id=volume.volume_id, message="in use")
    for target in (one, two):
        driver.NodeUnpublishVolume(volume_id=volume.volume_id, target_path=target)
        assert not os.path.exists(target)
    driver.NodeUnstageVolume(volume_id=volume.volume_id, staging_target_path=staging)
    assert os.listdir(staging) == []
    staging = stage(volume, cap, staging)
    assert open(staging + "/data").read() == "from one"
    driver.NodeUnstageVolume(volume_id=volume.volume_id, staging_target_path=staging)


@mounted
def every_step_may_be_repeated():
    volume = make()
    staging = stage(volume)
    stage(volume, path=staging)
    target = publish(volume, staging)
    publish(volume, staging, target=target)
    mounts = open("/proc/self/mountinfo").read()
    assert mounts.count(staging + " ") == mounts.count(target + " ") == 1
    for _ in range(2):
        driver.NodeUnpublishVolume(volume_id=volume.volume_id, target_path=target)
    for _ in range(2):
        driver.NodeUnstageVolume(volume_id=volume.volume_id, staging_target_path=staging)


@mounted
def read_only_is_read_only_and_other_options_exist_already():
    volume = make()
    cap = capability(Mode.MULTI_NODE_MULTI_WRITER, ["noexec"])
    staging = stage(volume, cap)
    target = publish(volume, staging, cap, readonly=True)
    try:
        open(target + "/x", "w")
        raise AssertionError("written")
    except OSError as error:
        assert error.errno == 30, error
    flags = next(line.split()[5] for line in open("/proc/self/mountinfo") if f" {target} " in line).split(",")
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(flags)
    fails(S.ALREADY_EXISTS, publish, volume, staging, cap, target=target)
    fails(S.ALREADY_EXISTS, stage, volume, capability(Mode.MULTI_NODE_READER_ONLY), staging)
    fails(S.ALREADY_EXISTS, stage, make(), path=staging)
    driver.NodeUnpublishVolume(volume_id=volume.volume_id, target_path=target)
    driver.NodeUnstageVolume(volume_id=volume.volume_id, staging_target_path=staging)


@mounted
def one_target_means_one():
    for mode, several in ((Mode.SINGLE_NODE_WRITER, False), (Mode.SINGLE_NODE_SINGLE_WRITER, False),
                          (Mode.SINGLE_NODE_MULTI_WRITER, True)):
        volume = make()
        staging = stage(volume, capability(mode))
        targets = [publish(volume, staging, capability(mode))]
        if several:
            targets.append(publish(volume, staging, capability(mode)))
        else:
            fails(S.FAILED_PRECONDITION, publish, volume, staging, capability(mode))
        for target in targets:
            driver.NodeUnpublishVolume(volume_id=volume.volume_id, target_path=target)
        driver.NodeUnstageVolume(volume_id=volume.volume_id, staging_target_path=staging)


@mounted
def a_group_may_write():
    volume = make()
    cap = capability(group="4242")
    staging = stage(volume, cap)
    status = os.stat(staging)
    assert (status.st_gid, status.st_mode & 0o2070) == (4242, 0o2070), oct(status.st_mode)
    driver.NodeUnstageVolume(volume_id=volume.volume_id, staging_target_path=staging)


@mounted
def statistics_show_the_quota():
    volume = make(size=64 << 20)
    staging = stage(volume)
    with open(staging + "/file", "wb") as file:
        file.write(b"x" * 1_000_000)
        os.fsync(file.fileno())
    answer = driver.NodeGetVolumeStats(volume_id=volume.volume_id, volume_path=staging)
    usage = next(u for u in answer.usage if u.unit == csi.VolumeUsage.BYTES)
    assert (usage.total, usage.used) == (64 << 20, 1_000_000), usage
    assert not answer.volume_condition.abnormal
    fails(S.NOT_FOUND, driver.NodeGetVolumeStats, volume_id="another", volume_path=staging)
    driver.ControllerExpandVolume(volume_id=volume.volume_id, capacity_range=csi.CapacityRange(required_bytes=Gi))
    grown = driver.NodeExpandVolume(
        volume_id=volume.volume_id, volume_path=staging, capacity_range=csi.CapacityRange(required_bytes=Gi))
    assert grown.capacity_bytes == Gi
    fails(S.OUT_OF_RANGE, driver.NodeExpandVolume, volume_id=volume.volume_id, volume_path=staging,
          capacity_range=csi.CapacityRange(required_bytes=2 * Gi))
    fails(S.INVALID_ARGUMENT, driver.NodeExpandVolume, volume_id=volume.volume_id, volume_path=staging,
          volume_capability=block())
    driver.NodeUnstageVolume(volume_id=volume.volume_id, staging_target_path=staging)


@mounted
def a_bucket_is_mounted_as_it_is():
    store = os.environ.get("CSI_STORE", "default")
    volume = csi.Volume(
        volume_id=name("static"), volume_context={"source": "file://" + os.environ["CSI_BUCKET"], "store": store})
    cap = capability(Mode.MULTI_NODE_READER_ONLY)
    staging = stage(volume, cap)
    assert open(staging + "/one.txt").read() == "1"
    driver.NodeUnstageVolume(volume_id=volume.volume_id, staging_target_path=staging)
    other = csi.Volume(volume_id=volume.volume_id, volume_context={"source": "file:///elsewhere", "store": store})
    fails(S.ALREADY_EXISTS, stage, other, cap)


@mounted
def a_folder_of_the_tree_is_mounted_as_it_is():
    made = make()
    staging = stage(made)
    with open(staging + "/x", "w") as file:
        file.write("shared")
    folder = csi.Volume(volume_id=name("static"), volume_context={"path": "/csi/volumes/" + made.volume_id})
    for _ in range(2):
        again = stage(folder)
        assert open(again + "/x").read() == "shared"
        stats = driver.NodeGetVolumeStats(volume_id=folder.volume_id, volume_path=again)
        assert not stats.volume_condition.abnormal
        driver.NodeUnstageVolume(volume_id=folder.volume_id, staging_target_path=again)
    other = csi.Volume(volume_id=folder.volume_id, volume_context={"path": "/csi/volumes"})
    fails(S.ALREADY_EXISTS, stage, other)
    driver.NodeUnstageVolume(volume_id=made.volume_id, staging_target_path=staging)


@mounted
def an_inline_volume_goes_with_its_pod():
    volume = csi.Volume(volume_id=name("csi"), volume_context={
        "csi.storage.k8s.io/ephemeral": "true", "csi.storage.k8s.io/pod.name": "p", "size": "10Mi"})
    target = os.path.join(ROOT, name("target"))
    for _ in range(2):
        publish(volume, "", target=target)
    with open(target + "/scratch", "w") as file:
        file.write("x")
    for _ in range(2):
        driver.NodeUnpublishVolume(volume_id=volume.volume_id, target_path=target)
    assert not os.path.exists(target)
    publish(volume, "", target=target)
    assert os.listdir(target) == []
    driver.NodeUnpublishVolume(volume_id=volume.volume_id, target_path=target)


@mounted
def a_snapshot_restores_what_a_pod_wrote():
    volume = make()
    staging = stage(volume)
    with open(staging + "/data", "w") as file:
        file.write("before")
        os.fsync(file.fileno())
    snapshot = snap(volume)
    with open(staging + "/data", "w") as file:
        file.write("after")
    restored = make(volume_content_source=csi.VolumeContentSource(
        snapshot=csi.VolumeContentSource.SnapshotSource(snapshot_id=snapshot.snapshot_id)))
    again = stage(restored)
    assert open(again + "/data").read() == "before"
    for one, path in ((volume, staging), (restored, again)):
        driver.NodeUnstageVolume(volume_id=one.volume_id, staging_target_path=path)


@mounted
def staging_at_once_is_one_mount():
    volume, staging = make(), os.path.join(ROOT, name("stage"))

    def attempt(_):
        try:
            stage(volume, path=staging)
        except grpc.RpcError as error:
            assert error.code() == S.ABORTED, error

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(attempt, range(32)))
    stage(volume, path=staging)
    assert open("/proc/self/mountinfo").read().count(staging + " ") == 1
    driver.NodeUnstageVolume(volume_id=volume.volume_id, staging_target_path=staging)


@mounted
def twenty_pods_come_and_go_at_once():
    cap = capability(Mode.MULTI_NODE_MULTI_WRITER)
    volume = make()
    staging = stage(volume, cap)

    def pod(i):
        target = publish(volume, staging, cap)
        with open(f"{target}/{i}", "w") as file:
            file.write(str(i))
        driver.NodeUnpublishVolume(volume_id=volume.volume_id, target_path=target)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(pod, range(20)))
    assert sorted(map(int, os.listdir(staging))) == list(range(20))
    driver.NodeUnstageVolume(volume_id=volume.volume_id, staging_target_path=staging)


def main():
    passed = failed = 0
    for title, function in checks:
        try:
            function()
            passed += 1
            print("ok     ", title, flush=True)
        except Exception:  # every fault is a result here
            failed += 1
            print("FAILED ", title, flush=True)
            traceback.print_exc()
    driver.close()
    print(f"{passed} passed, {failed} failed")
    raise SystemExit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
