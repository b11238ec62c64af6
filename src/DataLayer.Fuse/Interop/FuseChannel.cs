using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace DataLayer.Fuse.Interop;

/// <summary>The device of one mount: writes replies and notifications. Safe for concurrent use.</summary>
/// <remarks>
/// The descriptor is the caller's and shared with the keeper; nothing here closes it or changes its flags. Every
/// message is one writev, which the kernel takes as a whole or refuses.
/// </remarks>
internal sealed unsafe class FuseChannel
{
    private readonly SafeHandle _device;
    private readonly int _descriptor;
    private long _refusals;

    internal FuseChannel(SafeHandle device)
    {
        _device = device;
        bool taken = false;
        device.DangerousAddRef(ref taken); // For the life of the channel: a number that is closed could be reused.
        _descriptor = (int)device.DangerousGetHandle();
    }

    /// <summary>Replies the kernel did not take, a count: mostly of requests that were interrupted.</summary>
    internal long RefusalCount => Interlocked.Read(ref _refusals);

    /// <summary>Gives the descriptor back.</summary>
    internal void Release() => _device.DangerousRelease();

    /// <summary>Reads one request; negative errno on failure.</summary>
    internal nint Read(byte* buffer, int length)
    {
        nint read = FuseLibc.Read(_descriptor, buffer, (nuint)length);
        return read < 0 ? -Marshal.GetLastPInvokeError() : read;
    }

    /// <summary>Answers with an error, or with nothing where <paramref name="errno"/> is 0.</summary>
    internal bool ReplyEmpty(ulong unique, int errno)
    {
        Abi.OutHeader header = new() { Length = (uint)sizeof(Abi.OutHeader), Error = -errno, Unique = unique };
        return Check(FuseLibc.Write(_descriptor, &header, header.Length));
    }

    /// <summary>Answers with bytes.</summary>
    internal bool Reply(ulong unique, void* payload, int length)
    {
        Abi.OutHeader header = new() { Length = (uint)(sizeof(Abi.OutHeader) + length), Unique = unique };
        FuseLibc.IoVector* vectors = stackalloc FuseLibc.IoVector[2];
        vectors[0].Base = &header;
        vectors[0].Length = (nuint)sizeof(Abi.OutHeader);
        vectors[1].Base = payload;
        vectors[1].Length = (nuint)length;
        return Check(FuseLibc.Writev(_descriptor, vectors, 2));
    }

    /// <summary>Answers with one structure.</summary>
    internal bool Reply<T>(ulong unique, in T value)
        where T : unmanaged
    {
        byte* message = stackalloc byte[sizeof(Abi.OutHeader) + sizeof(T)];
        Abi.OutHeader* header = (Abi.OutHeader*)message;
        header->Length = (uint)(sizeof(Abi.OutHeader) + sizeof(T));
        header->Error = 0;
        header->Unique = unique;
        Unsafe.WriteUnaligned(message + sizeof(Abi.OutHeader), value);
        return Check(FuseLibc.Write(_descriptor, message, header->Length));
    }

    /// <summary>Drops cached attributes, and cached bytes from an offset on (negative: attributes only).</summary>
    /// <returns>0, or the errno: ENOENT where the kernel does not know the inode.</returns>
    internal int InvalidateInode(ulong node, long offsetBytes, long lengthBytes)
    {
        Abi.InvalidateInodeOut body = new() { Node = node, OffsetBytes = offsetBytes, LengthBytes = lengthBytes };
        return Notify(Notification.InvalidateInode, &body, sizeof(Abi.InvalidateInodeOut), default);
    }

    /// <summary>Drops a cached name, also one cached as absent.</summary>
    /// <returns>0, or the errno: ENOENT where the kernel does not know the folder or the name.</returns>
    internal int InvalidateEntry(ulong parent, string name)
    {
        Span<byte> bytes = stackalloc byte[256];
        int length = Encoding.UTF8.GetBytes(name, bytes);
        bytes[length] = 0;
        Abi.InvalidateEntryOut body = new() { Parent = parent, NameBytes = (uint)length };
        return Notify(
            Notification.InvalidateEntry, &body, sizeof(Abi.InvalidateEntryOut), bytes[..(length + 1)]);
    }

    /// <summary>Lets every cached name be asked for again (Linux 6.16, protocol 7.44).</summary>
    /// <returns>0, or the errno.</returns>
    internal int ExpireNames() => Notify(Notification.IncrementEpoch, null, 0, default);

    /// <summary>Puts bytes into the page cache of an inode.</summary>
    /// <returns>0, or the errno.</returns>
    internal int Store(ulong node, long offsetBytes, ReadOnlySpan<byte> bytes)
    {
        Abi.StoreOut body = new() { Node = node, OffsetBytes = offsetBytes, SizeBytes = (uint)bytes.Length };
        return Notify(Notification.Store, &body, sizeof(Abi.StoreOut), bytes);
    }

    /// <summary>Asks the kernel to send again what was read and not answered: by the service before this one.</summary>
    /// <returns>0, or the errno.</returns>
    internal int Resend() => Notify(Notification.Resend, null, 0, default);

    private int Notify(Notification code, void* body, int bodyBytes, ReadOnlySpan<byte> tail)
    {
        Abi.OutHeader header = new()
        {
            Length = (uint)(sizeof(Abi.OutHeader) + bodyBytes + tail.Length),
            Error = (int)code,
        };
        fixed (byte* tailBytes = tail)
        {
            FuseLibc.IoVector* vectors = stackalloc FuseLibc.IoVector[3];
            vectors[0].Base = &header;
            vectors[0].Length = (nuint)sizeof(Abi.OutHeader);
            vectors[1].Base = body;
            vectors[1].Length = (nuint)bodyBytes;
            vectors[2].Base = tailBytes;
            vectors[2].Length = (nuint)tail.Length;
            int count = tail.Length > 0 ? 3 : bodyBytes > 0 ? 2 : 1;
            return FuseLibc.Writev(_descriptor, vectors, count) < 0 ? Marshal.GetLastPInvokeError() : 0;
        }
    }

    private bool Check(nint written)
    {
        if (written >= 0)
        {
            return true;
        }

        Interlocked.Increment(ref _refusals);
        return false;
    }
}
