using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DataLayer.Storage.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// Reads and writes between one piece of a backing file and the several pieces of a caller's buffer it belongs to. The
/// caller keeps the view pinned (<see cref="StripeView.Pin"/>).
/// </summary>
internal static unsafe class Scatter
{
    private const int MaxVectors = 32;

    /// <summary>Reads into the view; returns how many bytes the file had.</summary>
    internal static int Read(SafeFileHandle file, string path, long offsetBytes, int lengthBytes, in StripeView view) =>
        Transfer(file, path, offsetBytes, lengthBytes, view, isWrite: false);

    /// <summary>Writes all of the view's bytes of the range.</summary>
    internal static void Write(SafeFileHandle file, string path, long offsetBytes, int lengthBytes,
        in StripeView view) =>
        _ = Transfer(file, path, offsetBytes, lengthBytes, view, isWrite: true);

    [SkipLocalsInit]
    private static int Transfer(SafeFileHandle file, string path, long offset, int length, in StripeView view,
        bool isWrite)
    {
        Libc.IoVector* vectors = stackalloc Libc.IoVector[MaxVectors];
        int done = 0;
        while (done < length)
        {
            Span<byte> piece = view.Slice(offset + done, length - done);
            if (piece.Length == length - done)
            {
                return done + TransferOne(file, path, piece, offset + done, isWrite);
            }

            int count = 0;
            int filled = 0;
            while (done + filled < length && count < MaxVectors)
            {
                piece = view.Slice(offset + done + filled, length - done - filled);
                vectors[count].Base = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(piece));
                vectors[count].Length = (nuint)piece.Length;
                filled += piece.Length;
                count++;
            }

            int moved = isWrite
                ? DurableFile.WriteVectors(file, path, vectors, count, offset + done)
                : DurableFile.ReadVectors(file, path, vectors, count, offset + done);
            done += moved;
            if (moved == 0)
            {
                break;
            }
        }

        return done;
    }

    private static int TransferOne(SafeFileHandle file, string path, Span<byte> piece, long offset, bool isWrite)
    {
        if (isWrite)
        {
            DurableFile.Write(file, path, piece, offset);
            return piece.Length;
        }

        return DurableFile.Read(file, path, piece, offset);
    }
}
