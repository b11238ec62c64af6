using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.CompilerServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Files.Upkeep;
using DataLayer.Engine.Tiering;

namespace DataLayer.Engine.Files.Writing;

/// <summary>
/// The hot tier as writers use it: one that finds no room has some made (<see cref="RoomMaker"/>) and goes on. What
/// nobody waits for (recalls behind readers, warm-ups, compaction) uses the hot tier itself: it gives way instead.
/// </summary>
/// <remarks>
/// Each call can be repeated: a write that failed for lack of room left bytes of its range old or new. A write that
/// finds room costs nothing more than the hot tier's. Callers may hold the write gate of their own content, and no
/// lock that a release wants: no other gate, none of the tree's.
/// </remarks>
internal sealed class HotWrites(EngineContext context)
{
    /// <summary>How often a write is tried at most though others take the room that was made for it.</summary>
    private const int MaxTries = 64;

    /// <summary>As the hot tier's.</summary>
    /// <exception cref="DataLayerException">NoSpace: nothing is left to release; names pool, fill and remedy.
    /// </exception>
    public ValueTask WriteAsync(
        ContentId content, StripedPlacement placement, long offsetBytes, ReadOnlyMemory<byte> bytes,
        CancellationToken cancellationToken)
    {
        context.CheckNode();
        ValueTask write = context.Hot.WriteAsync(content, placement, offsetBytes, bytes, cancellationToken);
        return write.IsCompletedSuccessfully
            ? write
            : WriteSlowAsync(write, content, placement, offsetBytes, bytes, cancellationToken);
    }

    /// <summary>As the hot tier's.</summary>
    /// <exception cref="DataLayerException">NoSpace, as above.</exception>
    public ValueTask<SegmentPlacement> AppendSmallAsync(
        ContentId content, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        RetryAsync(
            () => context.Hot.AppendSmallAsync(
                content, context.Shares.PoolOf(content.Inode), bytes, cancellationToken),
            new RoomNeed(PoolOf(content.Inode), default, bytes.Length, content.Inode), cancellationToken);

    /// <summary>As the hot tier's.</summary>
    /// <exception cref="DataLayerException">NoSpace, as above.</exception>
    public ValueTask<StripedPlacement> PlaceAsync(
        ContentId content, long expectedBytes, CancellationToken cancellationToken) =>
        PlacingAsync(
            () => new ValueTask<StripedPlacement>(
                context.Hot.PlaceStriped(context.Shares.PoolOf(content.Inode), content, expectedBytes)),
            content.Inode, expectedBytes, cancellationToken);

    /// <summary>As above, for a call that chooses stripes on its way.</summary>
    /// <exception cref="DataLayerException">NoSpace, as above.</exception>
    public ValueTask<T> PlacingAsync<T>(
        Func<ValueTask<T>> place, InodeId inode, long expectedBytes, CancellationToken cancellationToken) =>
        RetryAsync(
            place, new RoomNeed(PoolOf(inode), default, context.Hot.ShareOf(PoolOf(inode), expectedBytes), inode),
            cancellationToken);

    /// <summary>As the hot tier's: growing may have to make the files of columns.</summary>
    /// <exception cref="DataLayerException">NoSpace, as above.</exception>
    public async ValueTask TruncateAsync(
        ContentId content, StripedPlacement placement, long sizeBytes, CancellationToken cancellationToken) =>
        await RetryAsync(
            async () =>
            {
                await context.Hot.TruncateAsync(content, placement, sizeBytes, cancellationToken)
                    .ConfigureAwait(false);
                return true;
            },
            new RoomNeed(placement.Pool, placement.Targets, BlockLayout.BlockBytes, content.Inode), cancellationToken)
            .ConfigureAwait(false);

    /// <summary>Makes sure that so many bytes could be written now.</summary>
    /// <exception cref="DataLayerException">NoSpace, as above.</exception>
    public async ValueTask EnsureAsync(InodeId inode, long bytes, CancellationToken cancellationToken)
    {
        RoomNeed need = new(PoolOf(inode), default, context.Hot.ShareOf(PoolOf(inode), bytes), inode);
        if (!context.Hot.HasRoom(need.Pool, need.Targets, need.Bytes, need.Inode)
            && await context.Room.MakeAsync(need, isRetry: false, cancellationToken).ConfigureAwait(false) is { } why)
        {
            throw Full(need, why, null);
        }
    }

    /// <summary>The pool that new bytes of a file go to: the default, or a headroom's.</summary>
    private string PoolOf(InodeId inode) => context.Shares.PoolOf(inode) ?? context.Hot.DefaultPool;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask WriteSlowAsync(
        ValueTask write, ContentId content, StripedPlacement placement, long offsetBytes, ReadOnlyMemory<byte> bytes,
        CancellationToken cancellationToken)
    {
        long started = context.Time.GetTimestamp();
        for (int tries = 0; ; tries++)
        {
            try
            {
                await write.ConfigureAwait(false);
                return;
            }
            catch (DataLayerException fault) when (fault.Code == ErrorCode.NoSpace)
            {
                RoomNeed need = new(
                    placement.Pool, placement.Targets, bytes.Length + BlockLayout.BlockBytes, content.Inode);
                await MakeRoomAsync(need, tries, started, fault, cancellationToken).ConfigureAwait(false);
            }

            write = context.Hot.WriteAsync(content, placement, offsetBytes, bytes, cancellationToken);
        }
    }

    private async ValueTask<T> RetryAsync<T>(
        Func<ValueTask<T>> run, RoomNeed need, CancellationToken cancellationToken)
    {
        context.CheckNode();
        long started = context.Time.GetTimestamp();
        for (int tries = 0; ; tries++)
        {
            try
            {
                return await run().ConfigureAwait(false);
            }
            catch (DataLayerException fault) when (fault.Code == ErrorCode.NoSpace)
            {
                RoomNeed padded = need with { Bytes = need.Bytes + BlockLayout.BlockBytes };
                await MakeRoomAsync(padded, tries, started, fault, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async ValueTask MakeRoomAsync(
        RoomNeed need, int tries, long started, DataLayerException fault, CancellationToken cancellationToken)
    {
        bool isOver = tries >= MaxTries
            || (tries > 0 && context.Time.GetElapsedTime(started) >= context.Options.RoomPatience);
        string? why = isOver
            ? "others took the room that was made"
            : await context.Room.MakeAsync(need, isRetry: tries > 0, cancellationToken).ConfigureAwait(false);
        if (why is not null)
        {
            throw Full(need, why, fault);
        }
    }

    private DataLayerException Full(RoomNeed need, string why, DataLayerException? fault)
    {
        double fill = PoolFill.Read(context.Hot).GetValueOrDefault(need.Pool) * 100;
        string at = fault is null ? string.Empty : $" {fault.Message}";
        return new DataLayerException(
            ErrorCode.NoSpace,
            string.Create(
                CultureInfo.InvariantCulture,
                $"Pool '{need.Pool}' is full ({fill:F1} %, its reserve counted), and {why}. ")
                + "Add a target, delete files, unpin or attach them to a bucket, or wait for uploads." + at,
            fault);
    }
}
