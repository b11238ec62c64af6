using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DataLayer.Core.Errors;
using DataLayer.Fuse.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Workloads.Mounts;

/// <summary>
/// The baseline of the mount's benchmark: the least a FUSE server in C# can do. Files of fixed size in one folder, all
/// their bytes in
/// one piece of memory, answered from there without a copy; no names but <c>f0</c>, <c>f1</c>, …; read only.
/// </summary>
/// <remarks>It shares the declarations of the kernel's structures with the product, and nothing else.</remarks>
internal sealed unsafe partial class MemoryResponder : IDisposable
{
    private const int RequestBytes = 1 << 16;
    private const ulong FirstFile = 2;
    private readonly int _device;
    private readonly SafeFileHandle _handle;
    private readonly long _fileBytes;
    private readonly int _fileCount;
    private readonly byte* _content;
    private readonly Thread[] _threads;
    private readonly bool _withoutOpens;

    /// <summary>Makes the files and begins to serve a mounted device; ends when it is unmounted.</summary>
    public MemoryResponder(
        SafeFileHandle device, long fileBytes, int fileCount, int threads, bool withoutOpens = false)
    {
        _withoutOpens = withoutOpens;
        _handle = device;
        _device = (int)device.DangerousGetHandle();
        _fileBytes = fileBytes;
        _fileCount = fileCount;
        _content = (byte*)NativeMemory.AlignedAlloc((nuint)(fileBytes * fileCount), 4096);
        for (long at = 0; at < fileBytes * fileCount; at += 8)
        {
            *(long*)(_content + at) = at * 0x5851F42D4C957F2D;
        }

        _threads = new Thread[threads];
        for (int i = 0; i < threads; i++)
        {
            _threads[i] = new Thread(Serve) { IsBackground = true };
            _threads[i].Start();
        }
    }

    /// <summary>Waits for the end of the mount.</summary>
    public void Dispose()
    {
        foreach (Thread thread in _threads)
        {
            thread.Join();
        }

        NativeMemory.AlignedFree(_content);
        GC.KeepAlive(_handle);
    }

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint Read(int file, byte* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "writev")]
    private static partial nint Writev(int file, FuseLibc.IoVector* vectors, int count);

    private void Serve()
    {
        // The kernel wants room for the largest write it may send.
        byte* request = (byte*)NativeMemory.AlignedAlloc((1 << 20) + RequestBytes, 4096);
        while (true)
        {
            nint read = Read(_device, request, (1 << 20) + RequestBytes);
            if (read < 0)
            {
                if (Marshal.GetLastPInvokeError() is Errno.Interrupted or Errno.NoEntry or Errno.TryAgain)
                {
                    continue;
                }

                break;
            }

            Answer((Abi.InHeader*)request, request + sizeof(Abi.InHeader));
        }

        NativeMemory.AlignedFree(request);
    }

    private void Answer(Abi.InHeader* header, byte* body)
    {
        switch (header->Opcode)
        {
            case Opcode.Read:
                AnswerRead(header, (Abi.ReadIn*)body);
                break;
            case Opcode.Lookup:
                AnswerLookup(header, body);
                break;
            case Opcode.GetAttributes:
                Abi.AttributesOut attributes = new() { Seconds = 3600, Attributes = AttributesOf(header->Node) };
                Send(header, &attributes, sizeof(Abi.AttributesOut), 0);
                break;
            case Opcode.Open when _withoutOpens:
                Send(header, null, 0, Errno.NotImplemented);
                break;
            case Opcode.Open or Opcode.OpenDirectory:
                Abi.OpenOut opened = new() { Flags = Abi.OpenKeepCache };
                Send(header, &opened, sizeof(Abi.OpenOut), 0);
                break;
            case Opcode.Release or Opcode.ReleaseDirectory:
                Send(header, null, 0, 0);
                break;
            case Opcode.Init:
                AnswerInit(header, (Abi.InitIn*)body);
                break;
            case Opcode.Forget or Opcode.BatchForget or Opcode.Interrupt:
                break;
            default:
                Send(header, null, 0, Errno.NotImplemented);
                break;
        }
    }

    private void AnswerRead(Abi.InHeader* header, Abi.ReadIn* read)
    {
        long left = Math.Max(0, _fileBytes - read->OffsetBytes);
        long at = ((long)(header->Node - FirstFile) * _fileBytes) + read->OffsetBytes;
        Send(header, _content + at, (int)Math.Min(left, read->SizeBytes), 0);
    }

    private void AnswerLookup(Abi.InHeader* header, byte* name)
    {
        ReadOnlySpan<byte> text = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(name);
        if (text.Length < 2 || text[0] != (byte)'f'
            || !System.Buffers.Text.Utf8Parser.TryParse(text[1..], out int number, out int used) || used != text.Length - 1
            || number >= _fileCount)
        {
            Send(header, null, 0, Errno.NoEntry);
            return;
        }

        ulong node = FirstFile + (ulong)number;
        Abi.EntryOut entry = new()
        {
            Node = node,
            EntrySeconds = 3600,
            AttributeSeconds = 3600,
            Attributes = AttributesOf(node),
        };
        Send(header, &entry, sizeof(Abi.EntryOut), 0);
    }

    private Abi.Attributes AttributesOf(ulong node) => new()
    {
        Inode = node,
        SizeBytes = node == Abi.RootNode ? 4096 : (ulong)_fileBytes,
        Mode = node == Abi.RootNode ? 0x41EDu : 0x8124u,
        LinkCount = 1,
        BlockBytes = 4096,
    };

    private void AnswerInit(Abi.InHeader* header, Abi.InitIn* offer)
    {
        ulong wanted = (ulong)(Capabilities.AsyncRead | Capabilities.BigWrites | Capabilities.AsyncDirectIo
            | Capabilities.ParallelDirectoryOperations | Capabilities.MaxPages | Capabilities.ExplicitInvalidateData
            | Capabilities.InitExtended);
        Abi.InitOut answer = new()
        {
            Major = Abi.Major,
            Minor = Abi.NewestMinor,
            MaxReadahead = offer->MaxReadahead,
            Flags = (uint)wanted & offer->Flags,
            MaxBackground = 64,
            CongestionThreshold = 48,
            MaxWriteBytes = 1 << 20,
            MaxPages = 256,
            TimeGranularity = 1,
        };
        Send(header, &answer, sizeof(Abi.InitOut), 0);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Send(Abi.InHeader* to, void* payload, int length, int errno)
    {
        Abi.OutHeader header = new() { Length = (uint)(sizeof(Abi.OutHeader) + length), Error = -errno, Unique = to->Unique };
        FuseLibc.IoVector* vectors = stackalloc FuseLibc.IoVector[2];
        vectors[0].Base = &header;
        vectors[0].Length = (nuint)sizeof(Abi.OutHeader);
        vectors[1].Base = payload;
        vectors[1].Length = (nuint)length;
        _ = Writev(_device, vectors, length > 0 ? 2 : 1);
    }
}
