"""A CSI client over Debian's grpcio: calls any method of the driver by name, with messages that protoc made from csi.proto.

Usage: from csi_client import Driver, csi. The generated modules are looked for in $CSI_MESSAGES.
"""
import os
import sys

sys.path.insert(0, os.environ["CSI_MESSAGES"])

import grpc  # noqa: E402
import csi_pb2 as csi  # noqa: E402
import registration_pb2 as registration  # noqa: E402

REQUEST = {
    "Identity": {name: name for name in ("GetPluginInfo", "GetPluginCapabilities", "Probe")},
    "Controller": {
        name: name for name in (
            "CreateVolume", "DeleteVolume", "ControllerPublishVolume", "ControllerUnpublishVolume",
            "ValidateVolumeCapabilities", "ListVolumes", "GetCapacity", "ControllerGetCapabilities", "CreateSnapshot",
            "DeleteSnapshot", "ListSnapshots", "GetSnapshot", "ControllerExpandVolume", "ControllerGetVolume",
            "ControllerModifyVolume")},
    "Node": {
        name: name for name in (
            "NodeStageVolume", "NodeUnstageVolume", "NodePublishVolume", "NodeUnpublishVolume", "NodeGetVolumeStats",
            "NodeExpandVolume", "NodeGetCapabilities", "NodeGetInfo")},
}


class Driver:
    """Calls by name: driver.CreateVolume(name="x", …) returns the response or raises grpc.RpcError."""

    def __init__(self, socket):
        self.channel = grpc.insecure_channel("unix://" + socket)
        for service, methods in REQUEST.items():
            for method in methods:
                setattr(self, method, self._method("csi.v1." + service, method))

    def _method(self, service, method):
        request = getattr(csi, method + "Request")
        response = getattr(csi, method + "Response")
        call = self.channel.unary_unary(
            f"/{service}/{method}", request_serializer=request.SerializeToString,
            response_deserializer=response.FromString)

        def run(timeout=30, **fields):
            return call(request(**fields), timeout=timeout)

        return run

    def raw(self, path, body=b"", timeout=30):
        """A call whose request and response are bytes."""
        return self.channel.unary_unary(path)(body, timeout=timeout)

    def close(self):
        self.channel.close()


def capability(mode=csi.VolumeCapability.AccessMode.SINGLE_NODE_WRITER, flags=(), group="", fs_type=""):
    return csi.VolumeCapability(
        mount=csi.VolumeCapability.MountVolume(mount_flags=flags, volume_mount_group=group, fs_type=fs_type),
        access_mode=csi.VolumeCapability.AccessMode(mode=mode))


def block():
    return csi.VolumeCapability(
        block=csi.VolumeCapability.BlockVolume(), access_mode=csi.VolumeCapability.AccessMode(mode=1))
