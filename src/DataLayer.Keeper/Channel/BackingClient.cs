using System.Collections.Concurrent;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Keeper;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Keeper.Channel;

/// <summary>
/// The service's side of passthrough: asks the keeper, which has the right to, to register files with the kernel. Calls
/// may overlap.
/// </summary>
/// <param name="channel">The connection to the keeper; stays the caller's, who passes answers to <see cref="Complete"/>
/// and its end to <see cref="Fail"/>.</param>
public sealed class BackingClient(KeeperChannel channel)
{
    private readonly ConcurrentDictionary<long, TaskCompletionSource<KeeperBackingAnswer>> _waiting = new();
    private long _lastRequest;
    private volatile DataLayerException? _end;

    /// <summary>Registers a file; the kernel's id of it, positive.</summary>
    /// <param name="key">What the file is the content of. A key that is registered answers its id, also of an earlier
    /// service.</param>
    /// <param name="file">The open file, which stays the caller's.</param>
    /// <param name="cancellationToken">Gives up; the file may get registered all the same.</param>
    /// <exception cref="DataLayerException">NotSupported: the kernel or the file's file system does not do it.
    /// PermissionDenied: the keeper lacks CAP_SYS_ADMIN. OriginUnavailable: the keeper is gone.</exception>
    public async ValueTask<int> OpenAsync(string key, SafeFileHandle file, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(file);
        KeeperBackingAnswer answer = await AskAsync(KeeperFrameKind.BackingOpen, key, file, cancellationToken)
            .ConfigureAwait(false);
        return answer.Errno == 0 ? answer.BackingId : throw Refused(key, answer.Errno);
    }

    /// <summary>
    /// Forgets a file. Who has it open through the kernel goes on. Nothing happens for an unknown key.
    /// </summary>
    /// <exception cref="DataLayerException">OriginUnavailable: the keeper is gone.</exception>
    public async ValueTask CloseAsync(string key, CancellationToken cancellationToken) =>
        _ = await AskAsync(KeeperFrameKind.BackingClose, key, null, cancellationToken).ConfigureAwait(false);

    /// <summary>Takes an answer that came.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: it is not one.</exception>
    public void Complete(KeeperFrame frame)
    {
        ArgumentNullException.ThrowIfNull(frame);
        KeeperBackingAnswer answer = KeeperPayload.Read(frame.Payload.Span, KeeperJson.Default.KeeperBackingAnswer);
        if (_waiting.TryRemove(answer.RequestId, out TaskCompletionSource<KeeperBackingAnswer>? waiter))
        {
            waiter.TrySetResult(answer);
        }
    }

    /// <summary>Fails what waits and what comes: the connection is over.</summary>
    public void Fail()
    {
        _end = new DataLayerException(ErrorCode.OriginUnavailable, "The keeper of the mount is gone.");
        foreach (long request in _waiting.Keys)
        {
            if (_waiting.TryRemove(request, out TaskCompletionSource<KeeperBackingAnswer>? waiter))
            {
                waiter.TrySetException(_end);
            }
        }
    }

    private async ValueTask<KeeperBackingAnswer> AskAsync(
        KeeperFrameKind kind, string key, SafeFileHandle? file, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        long request = Interlocked.Increment(ref _lastRequest);
        TaskCompletionSource<KeeperBackingAnswer> waiter = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting[request] = waiter;
        try
        {
            if (_end is { } end)
            {
                throw end;
            }

            byte[] payload = KeeperPayload.Write(
                new KeeperBackingRequest { RequestId = request, Key = key },
                KeeperJson.Default.KeeperBackingRequest);
            await channel.SendAsync(kind, payload, file, cancellationToken).ConfigureAwait(false);
            return await waiter.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _waiting.TryRemove(request, out _);
        }
    }

    private static DataLayerException Refused(string key, int errno) => new(
        errno is 1 or 13 ? ErrorCode.PermissionDenied : ErrorCode.NotSupported,
        $"The kernel does not read '{key}' from its file directly (errno {errno}): passthrough needs Linux 6.9, a "
        + "file system that is not stacked, and a keeper with CAP_SYS_ADMIN.");
}
