using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Stripes.Sealing;

namespace DataLayer.Storage.Stripes;

/// <content>Contents whose bytes are encrypted on the targets (<see cref="SealedPage"/>).</content>
/// <remarks>
/// Only what reads or changes bytes of the content is here. Targets see pages as bytes: their checksums, marks,
/// recovery, copies, repairs and moves are the same with and without encryption, and want no key. Both copies of a
/// column hold the same pages.
/// </remarks>
public sealed partial class HotTier
{
    private readonly SealedBuffers _sealed = new();

    /// <summary>The keys of encrypted contents. Whoever opens the tier fills it.</summary>
    public DataKeyRing Keys { get; } = new();

    private ValueTask ReadSealedAsync(
        ContentId content, StripedPlacement placement, long offsetBytes, Memory<byte> destination,
        CancellationToken cancellationToken)
    {
        if (ColumnRange.IsOneColumn(placement, offsetBytes, destination.Length, out int column))
        {
            return ReadSealedColumnAsync(
                content, placement, ColumnRange.Of(placement, column, offsetBytes, destination.Length),
                new StripeView(destination, offsetBytes, placement, column), cancellationToken);
        }

        return FanOutAsync(
            placement, offsetBytes, destination.Length,
            (range, stop) => ReadSealedColumnAsync(
                content, placement, range, new StripeView(destination, offsetBytes, placement, range.Column), stop),
            cancellationToken);
    }

    private async ValueTask ReadSealedColumnAsync(
        ContentId content, StripedPlacement placement, ColumnRange range, StripeView view,
        CancellationToken cancellationToken)
    {
        ColumnId column = new(content, range.Column, 0);
        using AesGcm cipher = Keys.OpenCipher(placement.KeyId, column);
        byte[] buffer = await _sealed.RentAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            long end = range.OffsetBytes + range.LengthBytes;
            for (long at = range.OffsetBytes; at < end;)
            {
                ColumnRange piece = PieceOfCell(range.Column, at, end);
                ColumnRange file = SealedPage.ToFile(piece);
                await ReadColumnAsync(
                    content, placement, file, new StripeView(buffer.AsMemory(0, file.LengthBytes), file.OffsetBytes),
                    cancellationToken).ConfigureAwait(false);
                long page = SealedPage.PageOf(at);
                while ((page = OpenPages(cipher, column, piece, page, buffer, view)) >= 0)
                {
                    int inBuffer = (int)(SealedPage.FileStart(page) - file.OffsetBytes);
                    await FindGoodPageAsync(
                        cipher, content, placement, range.Column, page,
                        buffer.AsMemory(inBuffer, SealedPage.Bytes), cancellationToken).ConfigureAwait(false);
                }

                at += piece.LengthBytes;
            }
        }
        finally
        {
            _sealed.Return(buffer);
        }
    }

    /// <summary>Decrypts the pages of a piece from one on into the view.</summary>
    /// <returns>The first that does not open; -1 when all did.</returns>
    [SkipLocalsInit]
    private static long OpenPages(
        AesGcm cipher, in ColumnId column, ColumnRange piece, long fromPage, byte[] buffer, in StripeView view)
    {
        Span<byte> scratch = stackalloc byte[SealedPage.PlainBytes];
        long fileStart = SealedPage.FileStart(SealedPage.PageOf(piece.OffsetBytes));
        long end = piece.OffsetBytes + piece.LengthBytes;
        long last = SealedPage.PageOf(end - 1);
        for (long page = fromPage; page <= last; page++)
        {
            long start = SealedPage.PlainStart(page);
            long from = Math.Max(piece.OffsetBytes, start);
            long to = Math.Min(end, start + SealedPage.PlainLength(page));
            ReadOnlySpan<byte> made = buffer.AsSpan(
                (int)(SealedPage.FileStart(page) - fileStart), SealedPage.Bytes);
            Span<byte> wanted = view.Slice(from, (int)(to - from));
            bool isHole = SealedPage.IsHole(made);
            if (!isHole && wanted.Length == SealedPage.PlainBytes)
            {
                if (!SealedPage.TryOpen(cipher, column, page, made, wanted))
                {
                    return page;
                }

                continue;
            }

            if (isHole)
            {
                scratch.Clear();
            }
            else if (!SealedPage.TryOpen(cipher, column, page, made, scratch))
            {
                return page;
            }

            // In pieces where stripe units end inside the page.
            for (long at = from; at < to; at += wanted.Length)
            {
                wanted = view.Slice(at, (int)(to - at));
                scratch.Slice((int)(at - start), wanted.Length).CopyTo(wanted);
            }
        }

        return -1;
    }

    /// <summary>A page that failed its tag in one copy, from a copy that has it whole; the others are mended.</summary>
    /// <exception cref="DataLayerException">Corrupt: no copy has it.</exception>
    private async ValueTask FindGoodPageAsync(
        AesGcm cipher, ContentId content, StripedPlacement placement, int column, long page, Memory<byte> found,
        CancellationToken cancellationToken)
    {
        byte[] chunk = GC.AllocateUninitializedArray<byte>(ChunkEntry.ChunkBytes);
        byte[] plain = GC.AllocateUninitializedArray<byte>(SealedPage.PlainBytes);
        (long index, long inChunk) = Math.DivRem(SealedPage.FileStart(page), ChunkEntry.ChunkBytes);
        for (int copy = 0; copy < placement.CopyCount; copy++)
        {
            int length;
            try
            {
                length = await ReadChunkAsync(content, placement, column, copy, index, chunk, cancellationToken)
                    .ConfigureAwait(false);
            }
            catch (DataLayerException)
            {
                continue;
            }

            chunk.AsSpan(length).Clear();
            ReadOnlyMemory<byte> made = chunk.AsMemory((int)inChunk, SealedPage.Bytes);
            if (!SealedPage.IsHole(made.Span)
                && !SealedPage.TryOpen(cipher, new ColumnId(content, column, copy), page, made.Span, plain))
            {
                continue;
            }

            made.CopyTo(found);
            for (int bad = 0; bad < placement.CopyCount; bad++)
            {
                if (bad != copy)
                {
                    _meter.BadCopies.Add(1);
                    await TryRepairAsync(
                        content, placement, column, bad, index, chunk.AsMemory(0, length), cancellationToken)
                        .ConfigureAwait(false);
                }
            }

            return;
        }

        _meter.Lost.Add(1);
        throw new DataLayerException(
            ErrorCode.Corrupt,
            $"Bytes {SealedPage.PlainStart(page)} … {SealedPage.PlainStart(page) + SealedPage.PlainLength(page) - 1} "
            + $"of column {column} of encrypted content {content} do not open: they were torn, changed, or are of "
            + "another key. A scrub brings them back from the cold object.");
    }

    private async ValueTask WriteSealedOnceAsync(
        ContentId content, StripedPlacement placement, long offsetBytes, ReadOnlyMemory<byte> bytes,
        CancellationToken cancellationToken)
    {
        if (ColumnRange.IsOneColumn(placement, offsetBytes, bytes.Length, out int column))
        {
            await WriteSealedColumnAsync(
                content, placement, ColumnRange.Of(placement, column, offsetBytes, bytes.Length),
                new StripeView(bytes, offsetBytes, placement, column), cancellationToken).ConfigureAwait(false);
            return;
        }

        await FanOutAsync(
            placement, offsetBytes, bytes.Length,
            (range, stop) => WriteSealedColumnAsync(
                content, placement, range, new StripeView(bytes, offsetBytes, placement, range.Column), stop),
            cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask WriteSealedColumnAsync(
        ContentId content, StripedPlacement placement, ColumnRange range, StripeView view,
        CancellationToken cancellationToken)
    {
        ColumnId column = new(content, range.Column, 0);
        using AesGcm cipher = Keys.OpenCipher(placement.KeyId, column);
        SemaphoreSlim turn = _sealed.TurnOf(column);
        await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            byte[] buffer = await _sealed.RentAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                long end = range.OffsetBytes + range.LengthBytes;
                for (long at = range.OffsetBytes; at < end;)
                {
                    ColumnRange piece = PieceOfCell(range.Column, at, end);
                    await WritePieceAsync(cipher, content, placement, piece, view, buffer, cancellationToken)
                        .ConfigureAwait(false);
                    at += piece.LengthBytes;
                }
            }
            finally
            {
                _sealed.Return(buffer);
            }
        }
        finally
        {
            turn.Release();
        }
    }

    private async ValueTask WritePieceAsync(
        AesGcm cipher, ContentId content, StripedPlacement placement, ColumnRange piece, StripeView view,
        byte[] buffer, CancellationToken cancellationToken)
    {
        long end = piece.OffsetBytes + piece.LengthBytes;
        long first = SealedPage.PageOf(piece.OffsetBytes);
        long last = SealedPage.PageOf(end - 1);
        bool isFirstPart = piece.OffsetBytes > SealedPage.PlainStart(first)
            || end < SealedPage.PlainStart(first) + SealedPage.PlainLength(first);
        bool isLastPart = last != first && end < SealedPage.PlainStart(last) + SealedPage.PlainLength(last);
        Memory<byte> head = buffer.AsMemory(SealedBuffers.SpareAt + SealedPage.Bytes, SealedPage.PlainBytes);
        Memory<byte> tail = buffer.AsMemory(SealedBuffers.SpareAt + (2 * SealedPage.Bytes), SealedPage.PlainBytes);
        if (isFirstPart)
        {
            await ReadPageAsync(
                cipher, content, placement, piece.Column, first, buffer.AsMemory(0, SealedPage.Bytes), head,
                cancellationToken).ConfigureAwait(false);
        }

        if (isLastPart)
        {
            await ReadPageAsync(
                cipher, content, placement, piece.Column, last, buffer.AsMemory(0, SealedPage.Bytes), tail,
                cancellationToken).ConfigureAwait(false);
        }

        SealPages(
            cipher, new ColumnId(content, piece.Column, 0), piece, buffer, view,
            isFirstPart ? head.Span : default, isLastPart ? tail.Span : default);
        ColumnRange file = SealedPage.ToFile(piece);
        await WritePagesAsync(content, placement, file, buffer.AsMemory(0, file.LengthBytes), cancellationToken)
            .ConfigureAwait(false);
    }

    /// <summary>One page as it is, decrypted; zeros where it is a hole.</summary>
    /// <returns>Whether it is more than a hole.</returns>
    private async ValueTask<bool> ReadPageAsync(
        AesGcm cipher, ContentId content, StripedPlacement placement, int column, long page, Memory<byte> made,
        Memory<byte> plain, CancellationToken cancellationToken)
    {
        ColumnRange file = new(column, SealedPage.FileStart(page), SealedPage.Bytes);
        await ReadColumnAsync(content, placement, file, new StripeView(made, file.OffsetBytes), cancellationToken)
            .ConfigureAwait(false);
        ColumnId id = new(content, column, 0);
        if (!SealedPage.IsHole(made.Span) && !SealedPage.TryOpen(cipher, id, page, made.Span, plain.Span))
        {
            await FindGoodPageAsync(cipher, content, placement, column, page, made, cancellationToken)
                .ConfigureAwait(false);
            _ = SealedPage.IsHole(made.Span) || SealedPage.TryOpen(cipher, id, page, made.Span, plain.Span);
        }

        if (SealedPage.IsHole(made.Span))
        {
            plain.Span.Clear();
            return false;
        }

        return true;
    }

    /// <summary>Encrypts the pages of a piece: what the view has, and of pages it has in part the bytes around it.
    /// </summary>
    [SkipLocalsInit]
    private static void SealPages(
        AesGcm cipher, in ColumnId column, ColumnRange piece, byte[] buffer, in StripeView view,
        ReadOnlySpan<byte> head, ReadOnlySpan<byte> tail)
    {
        Span<byte> scratch = stackalloc byte[SealedPage.PlainBytes];
        long end = piece.OffsetBytes + piece.LengthBytes;
        long first = SealedPage.PageOf(piece.OffsetBytes);
        long last = SealedPage.PageOf(end - 1);
        Span<byte> nonces = buffer.AsSpan(
            SealedBuffers.SpareAt, (int)(last - first + 1) * SealedPage.NonceBytes);
        RandomNumberGenerator.Fill(nonces);
        for (long page = first; page <= last; page++)
        {
            long start = SealedPage.PlainStart(page);
            long from = Math.Max(piece.OffsetBytes, start);
            long to = Math.Min(end, start + SealedPage.PlainLength(page));
            int index = (int)(page - first);
            scoped ReadOnlySpan<byte> plain = view.Slice(from, (int)(to - from));
            if (plain.Length < SealedPage.PlainBytes)
            {
                ReadOnlySpan<byte> around = page == first ? head : page == last ? tail : default;
                scratch.Clear();
                around.CopyTo(scratch);
                for (long at = from; at < to; at += plain.Length)
                {
                    plain = view.Slice(at, (int)(to - at));
                    plain.CopyTo(scratch[(int)(at - start)..]);
                }

                plain = scratch;
            }

            SealedPage.Seal(
                cipher, column, page, nonces.Slice(index * SealedPage.NonceBytes, SealedPage.NonceBytes), plain,
                buffer.AsSpan(index * SealedPage.Bytes, SealedPage.Bytes));
        }
    }

    /// <summary>Writes pages to all copies of a column.</summary>
    private async ValueTask WritePagesAsync(
        ContentId content, StripedPlacement placement, ColumnRange file, Memory<byte> pages,
        CancellationToken cancellationToken)
    {
        if (placement.CopyCount > 1)
        {
            // As without encryption: all copies have their marks before any is overwritten.
            await PrepareCopiesAsync(content, placement, file, cancellationToken).ConfigureAwait(false);
        }

        await WriteCopiesAsync(
            content, placement, file, new StripeView(pages, file.OffsetBytes), cancellationToken)
            .ConfigureAwait(false);
    }

    private async ValueTask TruncateSealedAsync(
        ContentId content, StripedPlacement placement, long sizeBytes, CancellationToken cancellationToken)
    {
        for (int column = 0; column < placement.Width; column++)
        {
            long length = placement.ColumnLength(column, sizeBytes);
            if (length > 0)
            {
                await ClearTailAsync(content, placement, column, length, cancellationToken).ConfigureAwait(false);
            }
        }

        await CreateAndEachAsync(
            content, placement,
            static (target, column, args, stop) => target.TruncateAsync(
                column,
                SealedPage.FileLength(args.placement.ColumnLength(column.Column, args.sizeBytes)), stop),
            (placement, sizeBytes), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Makes what the last page has past a column's end zeros, durable: should the content grow, they are read.
    /// </summary>
    private async ValueTask ClearTailAsync(
        ContentId content, StripedPlacement placement, int column, long length, CancellationToken cancellationToken)
    {
        long page = SealedPage.PageOf(length - 1);
        int keep = (int)(length - SealedPage.PlainStart(page));
        if (keep == SealedPage.PlainLength(page))
        {
            return;
        }

        ColumnId id = new(content, column, 0);
        using AesGcm cipher = Keys.OpenCipher(placement.KeyId, id);
        SemaphoreSlim turn = _sealed.TurnOf(id);
        await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            byte[] made = GC.AllocateUninitializedArray<byte>(SealedPage.Bytes);
            byte[] plain = GC.AllocateUninitializedArray<byte>(SealedPage.PlainBytes);
            try
            {
                if (!await ReadPageAsync(cipher, content, placement, column, page, made, plain, cancellationToken)
                    .ConfigureAwait(false) || !plain.AsSpan(keep).ContainsAnyExcept((byte)0))
                {
                    return;
                }
            }
            catch (DataLayerException fault) when (fault.Code is ErrorCode.NotFound or ErrorCode.Corrupt)
            {
                return; // Not there yet; or bad, which reads say. Nothing past the end opens then.
            }

            plain.AsSpan(keep).Clear();
            SealedPage.Seal(
                cipher, id, page, RandomNumberGenerator.GetBytes(SealedPage.NonceBytes), plain, made);
            ColumnRange file = new(column, SealedPage.FileStart(page), SealedPage.Bytes);
            await WritePagesAsync(content, placement, file, made, cancellationToken).ConfigureAwait(false);
            await EachCopyAsync(
                content, placement, file, static (target, column, _, _, stop) => target.FlushAsync(column, stop),
                default, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            turn.Release();
        }
    }

    private async ValueTask PunchSealedAsync(
        ContentId content, StripedPlacement placement, long offsetBytes, long lengthBytes,
        CancellationToken cancellationToken)
    {
        for (int tries = 0; ; tries++)
        {
            try
            {
                await PunchSealedOnceAsync(content, placement, offsetBytes, lengthBytes, cancellationToken)
                    .ConfigureAwait(false);
                return;
            }
            catch (UncleanColumnException unclean) when (tries <= placement.Width)
            {
                await RecoverAsync(content, placement, unclean.Column.Column, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async ValueTask PunchSealedOnceAsync(
        ContentId content, StripedPlacement placement, long offsetBytes, long lengthBytes,
        CancellationToken cancellationToken)
    {
        for (int column = 0; column < placement.Width; column++)
        {
            long start = placement.ColumnLength(column, offsetBytes);
            long end = placement.ColumnLength(column, offsetBytes + lengthBytes);
            if (end <= start)
            {
                continue;
            }

            // Whole chunks of whole pages go; what is left of the range at both ends is written as zeros.
            const long Chunk = ChunkEntry.ChunkBytes;
            long whole = SealedPage.PageOf(start + SealedPage.PlainBytes - 1);
            whole = SealedPage.PlainStart(whole) < start ? whole + 1 : whole;
            long from = (SealedPage.FileStart(whole) + Chunk - 1) / Chunk * Chunk;
            long to = SealedPage.FileStart(SealedPage.PageOf(end)) / Chunk * Chunk;
            bool hasChunks = to > from;
            await ClearAsync(start, hasChunks ? SealedPage.ToColumn(from) : end).ConfigureAwait(false);
            if (hasChunks)
            {
                await EachCopyAsync(
                    content, placement, new ColumnRange(column, from, 0),
                    (target, id, range, _, stop) => target.PunchAsync(id, range.OffsetBytes, to - from, stop),
                    default, cancellationToken).ConfigureAwait(false);
                await ClearAsync(SealedPage.ToColumn(to), end).ConfigureAwait(false);
            }

            async ValueTask ClearAsync(long clearFrom, long clearTo)
            {
                if (clearTo > clearFrom)
                {
                    ColumnRange range = new(column, clearFrom, (int)(clearTo - clearFrom));
                    await WriteSealedColumnAsync(
                        content, placement, range, new StripeView(new byte[range.LengthBytes], clearFrom),
                        cancellationToken).ConfigureAwait(false);
                }
            }
        }
    }

    /// <summary>As a target's, in bytes of the column. Chunks are told apart: what is in one with data is data.
    /// </summary>
    private static async ValueTask<long> SeekSealedAsync(
        ITarget target, ColumnId id, long start, long end, bool hole, CancellationToken cancellationToken)
    {
        long at = SealedPage.FileStart(SealedPage.PageOf(start));
        long fileEnd = SealedPage.FileLength(end);
        while (at < fileEnd)
        {
            long found = await target.SeekAsync(id, at, fileEnd, hole, cancellationToken).ConfigureAwait(false);
            (long cell, long inCell) = Math.DivRem(found, SealedPage.CellFileBytes);
            if (found < fileEnd && !(hole && inCell >= (long)SealedPage.CellPages * SealedPage.Bytes))
            {
                return Math.Clamp(SealedPage.ToColumn(found), start, end);
            }

            at = found >= fileEnd ? found : (cell + 1) * SealedPage.CellFileBytes; // Cells end with an unused rest.
        }

        return end;
    }

    /// <summary>
    /// Checks that all pages of a chunk that agrees with its checksum open: after a crash in an overwrite the checksum
    /// is made from what is there. Of a content that is not encrypted, or without its key, nothing is checked.
    /// </summary>
    /// <exception cref="DataLayerException">Corrupt: one does not.</exception>
    private void CheckPages(
        ContentId content, StripedPlacement placement, int column, long chunk, ReadOnlySpan<byte> bytes)
    {
        if (placement.KeyId == 0 || !Keys.Has(placement.KeyId))
        {
            return;
        }

        ColumnId id = new(content, column, 0);
        using AesGcm cipher = Keys.OpenCipher(placement.KeyId, id);
        byte[] plain = GC.AllocateUninitializedArray<byte>(SealedPage.PlainBytes);
        (long cell, long inCell) = Math.DivRem(chunk * ChunkEntry.ChunkBytes, SealedPage.CellFileBytes);
        for (int at = 0; at + SealedPage.Bytes <= bytes.Length; at += SealedPage.Bytes)
        {
            long page = (inCell + at) / SealedPage.Bytes;
            ReadOnlySpan<byte> made = bytes.Slice(at, SealedPage.Bytes);
            if (page < SealedPage.CellPages && !SealedPage.IsHole(made)
                && !SealedPage.TryOpen(cipher, id, (cell * SealedPage.CellPages) + page, made, plain))
            {
                throw new DataLayerException(
                    ErrorCode.Corrupt,
                    $"Page {page} of cell {cell} of column {column} of encrypted content {content} does not open.");
            }
        }
    }

    private static ColumnRange PieceOfCell(int column, long at, long end)
    {
        long cellEnd = ((at / SealedPage.CellPlainBytes) + 1) * SealedPage.CellPlainBytes;
        return new ColumnRange(column, at, (int)(Math.Min(end, cellEnd) - at));
    }
}
