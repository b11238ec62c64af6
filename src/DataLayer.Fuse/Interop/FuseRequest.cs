using System.Runtime.CompilerServices;
using System.Text;

namespace DataLayer.Fuse.Interop;

/// <summary>
/// One request of the kernel with the buffers it needs. Reused: a reader thread keeps one while requests complete at
/// once; a request that does not takes it along and returns it to the session when it was answered.
/// </summary>
/// <remarks>
/// Answered exactly once, by one of the Reply methods, or not at all where the protocol wants no answer. The input
/// bytes hold until the request was answered, unless <see cref="DetachInput"/> gave them back earlier.
/// </remarks>
internal sealed unsafe class FuseRequest(FuseSession session) : IDisposable
{
    private static readonly UTF8Encoding _strict = new(false, throwOnInvalidBytes: true);
    private readonly FuseSession _session = session;
    private readonly Lock _gate = new();
    private CancellationTokenSource _cancel = new();
    private bool _wasInterrupted;
    private int _cursor;

    internal FuseBuffer? Input { get; private set; }

    internal FuseBuffer? Output { get; private set; }

    internal Opcode Opcode { get; private set; }

    internal ulong Unique { get; private set; }

    internal ulong Node { get; private set; }

    internal int UserId { get; private set; }

    internal int GroupId { get; private set; }

    internal int ProcessId { get; private set; }

    internal int LengthBytes { get; private set; }

    internal bool WasAnswered { get; private set; }

    /// <summary>Sent before to a service that died with it; what it asks may be done already.</summary>
    internal bool IsResent => (Unique & Abi.UniqueResend) != 0;

    /// <summary>Cancelled when the caller was interrupted.</summary>
    internal CancellationToken Cancelled => _cancel.Token;

    /// <summary>Takes a request that was just read into the input buffer.</summary>
    internal bool Begin(int lengthBytes)
    {
        Abi.InHeader* header = (Abi.InHeader*)Input!.Request;
        if (lengthBytes < sizeof(Abi.InHeader) || header->Length != lengthBytes)
        {
            return false;
        }

        Opcode = header->Opcode;
        Unique = header->Unique;
        Node = header->Node;
        UserId = (int)header->UserId;
        GroupId = (int)header->GroupId;
        ProcessId = (int)header->ProcessId;
        LengthBytes = lengthBytes;
        _cursor = sizeof(Abi.InHeader);
        WasAnswered = false;
        return true;
    }

    /// <summary>The next fixed part of the request.</summary>
    /// <exception cref="InvalidDataException">The request is too short.</exception>
    internal ref readonly T Take<T>()
        where T : unmanaged => ref Unsafe.AsRef<T>(TakeBytes(sizeof(T)));

    /// <summary>The next so many bytes, unparsed.</summary>
    internal byte* TakeBytes(int length)
    {
        if (length < 0 || _cursor + length > LengthBytes)
        {
            throw new InvalidDataException($"A request {Opcode} of {LengthBytes} bytes is too short.");
        }

        byte* at = Input!.Request + _cursor;
        _cursor += length;
        return at;
    }

    /// <summary>The next NUL-terminated name; null where it is not UTF-8.</summary>
    internal string? TakeName()
    {
        ReadOnlySpan<byte> rest = new(Input!.Request + _cursor, LengthBytes - _cursor);
        int end = rest.IndexOf((byte)0);
        if (end < 0)
        {
            throw new InvalidDataException($"A name in a request {Opcode} has no end.");
        }

        _cursor += end + 1;
        try
        {
            return _strict.GetString(rest[..end]);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    /// <summary>The bytes of a WRITE: page-aligned, valid until the answer.</summary>
    internal ReadOnlyMemory<byte> Payload(int lengthBytes)
    {
        _ = TakeBytes(lengthBytes);
        return Input!.Memory[..lengthBytes];
    }

    /// <summary>A buffer for at least so many bytes of an answer.</summary>
    internal Memory<byte> OutputFor(int lengthBytes)
    {
        if (Output is null || Output.PayloadBytes < lengthBytes)
        {
            FuseBuffer? small = Output;
            Output = null;
            _session.ReturnOutput(small);
            Output = _session.RentOutput(lengthBytes);
        }

        return Output.Memory[..lengthBytes];
    }

    internal bool ReplyError(int errno)
    {
        WasAnswered = true;
        return _session.Channel.ReplyEmpty(Unique, errno);
    }

    internal bool ReplyDone() => ReplyError(0);

    internal bool Reply<T>(in T value)
        where T : unmanaged
    {
        WasAnswered = true;
        return _session.Channel.Reply(Unique, value);
    }

    /// <summary>Answers with the first bytes of the output buffer.</summary>
    internal bool ReplyOutput(int lengthBytes)
    {
        WasAnswered = true;
        return lengthBytes == 0
            ? _session.Channel.ReplyEmpty(Unique, 0)
            : _session.Channel.Reply(Unique, Output!.Payload, lengthBytes);
    }

    internal bool Reply(ReadOnlySpan<byte> bytes)
    {
        WasAnswered = true;
        fixed (byte* at = bytes)
        {
            return bytes.IsEmpty
                ? _session.Channel.ReplyEmpty(Unique, 0)
                : _session.Channel.Reply(Unique, at, bytes.Length);
        }
    }

    /// <summary>The protocol wants no answer to this request.</summary>
    internal void NoReply() => WasAnswered = true;

    internal void AttachInput(FuseBuffer buffer) => Input = buffer;

    internal FuseBuffer? DetachInput()
    {
        FuseBuffer? input = Input;
        Input = null;
        return input;
    }

    internal FuseBuffer? DetachOutput()
    {
        FuseBuffer? output = Output;
        Output = null;
        return output;
    }

    /// <summary>Cancels this request, if it is still the one with that id.</summary>
    internal void Interrupt(ulong unique)
    {
        CancellationTokenSource cancel;
        lock (_gate)
        {
            if (Unique != unique || WasAnswered)
            {
                return;
            }

            _wasInterrupted = true;
            cancel = _cancel;
        }

        cancel.Cancel();
    }

    /// <summary>Makes it ready for the next request.</summary>
    internal void Reset()
    {
        lock (_gate)
        {
            Unique = 0;
            if (_wasInterrupted)
            {
                _cancel = new CancellationTokenSource(); // Somebody may be cancelling the old one just now.
                _wasInterrupted = false;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _cancel.Dispose();
}
