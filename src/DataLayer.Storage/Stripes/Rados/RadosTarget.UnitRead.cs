using System.Buffers;
using DataLayer.Core.Integrity;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Stripes.Rados;

/// <content>One read of a unit.</content>
internal sealed partial class RadosTarget
{
    /// <summary>
    /// A read of a part of a unit together with its head: whole chunks go straight into the view, which the caller
    /// keeps pinned; the first and the last, where only a part of them is wanted, go aside.
    /// </summary>
    private sealed class UnitRead : IDisposable
    {
        private readonly UnitPart _part;
        private readonly Piece[] _pieces;
        private readonly List<(byte[] Buffer, MemoryHandle Pin)> _aside = [];
        private int _pieceCount;

        internal UnitRead(UnitPart part, in StripeView view)
        {
            _part = part;
            int first = part.From / ChunkBytes;
            int last = (part.To - 1) / ChunkBytes;
            _pieces = new Piece[last - first + 1];
            Call = new RadosRead(_pieces.Length);
            Call.Attributes();
            long start = (long)part.Unit * UnitHead.UnitBytes;
            for (int chunk = first; chunk <= last;)
            {
                if (!IsWhole(chunk))
                {
                    byte[] buffer = ArrayPool<byte>.Shared.Rent(ChunkBytes);
                    _aside.Add((buffer, buffer.AsMemory().Pin()));
                    Add(chunk++, 1, buffer.AsSpan(0, ChunkBytes), buffer);
                    continue;
                }

                int end = IsWhole(last) ? last + 1 : last;
                Span<byte> bytes = view.Slice(start + ((long)chunk * ChunkBytes), (end - chunk) * ChunkBytes);
                Add(chunk, bytes.Length / ChunkBytes, bytes, null);
                chunk += bytes.Length / ChunkBytes;
            }
        }

        internal RadosRead Call { get; }

        /// <summary>Checks every chunk, clears what is a hole; the first chunk that fails, or −1.</summary>
        internal int Verify(in ColumnId id, UnitHead head, in StripeView view)
        {
            long start = (long)_part.Unit * UnitHead.UnitBytes;
            long firstIndex = (long)_part.Unit * UnitHead.ChunkCount;
            for (int p = 0; p < _pieceCount; p++)
            {
                Piece piece = _pieces[p];
                int read = Call.PieceLength(p);
                for (int i = 0; i < piece.ChunkCount; i++)
                {
                    int chunk = piece.FirstChunk + i;
                    int length = head[chunk].LengthBytes;
                    if (length < 0 || length > read - (i * ChunkBytes) && length > 0)
                    {
                        return chunk;
                    }

                    Span<byte> bytes = piece.Aside is { } aside ? aside.AsSpan(0, ChunkBytes)
                        : view.Slice(start + ((long)chunk * ChunkBytes), ChunkBytes);
                    if (length > 0 && (Crc32C.Compute(bytes[..length]) ^ id.Bind(firstIndex + chunk, length))
                        != head[chunk].Crc)
                    {
                        return chunk;
                    }

                    bytes[length..].Clear();
                    if (piece.Aside is not null)
                    {
                        int from = Math.Max(_part.From - (chunk * ChunkBytes), 0);
                        int to = Math.Min(_part.To - (chunk * ChunkBytes), ChunkBytes);
                        bytes[from..to].CopyTo(view.Slice(start + ((long)chunk * ChunkBytes) + from, to - from));
                    }
                }
            }

            return -1;
        }

        public void Dispose()
        {
            Call.Dispose();
            foreach ((byte[] buffer, MemoryHandle pin) in _aside)
            {
                pin.Dispose();
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }

        private bool IsWhole(int chunk) =>
            chunk * ChunkBytes >= _part.From && (chunk + 1) * ChunkBytes <= _part.To;

        private void Add(int chunk, int count, Span<byte> bytes, byte[]? aside)
        {
            Call.Piece((long)chunk * ChunkBytes, bytes);
            _pieces[_pieceCount++] = new Piece(chunk, count, aside);
        }

        private readonly record struct Piece(int FirstChunk, int ChunkCount, byte[]? Aside);
    }
}
