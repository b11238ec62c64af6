using System.Runtime.InteropServices;

namespace DataLayer.Storage.Interop;

/// <summary>
/// Reads of one object at one moment: pieces of its bytes into buffers of the caller, its attributes, its size. Buffers
/// must stay where they are until the call is done; results are valid after it, where it succeeded.
/// </summary>
internal sealed unsafe class RadosRead : IDisposable
{
    private readonly Results* _results;
    private readonly int _pieceLimit;
    private int _pieceCount;

    /// <summary>Makes one for up to so many pieces.</summary>
    internal RadosRead(int pieceLimit = 0)
    {
        _pieceLimit = pieceLimit;
        _results = (Results*)NativeMemory.AllocZeroed(
            (nuint)(sizeof(Results) + (pieceLimit * (sizeof(nuint) + sizeof(int)))));
        Handle = Librados.CreateRead();
    }

    internal RadosReadHandle Handle { get; }

    /// <summary>The object's size, bytes, where it was asked for.</summary>
    internal long SizeBytes => (long)_results->SizeBytes;

    private nuint* PieceLengths => (nuint*)(_results + 1);

    internal RadosRead Attributes()
    {
        Librados.AddGetAttributes(Handle, &_results->Attributes, &_results->AttributesResult);
        return this;
    }

    internal RadosRead Size()
    {
        Librados.AddStat(Handle, &_results->SizeBytes, &_results->Time, &_results->SizeResult);
        return this;
    }

    /// <summary>Reads into pinned memory; <see cref="PieceLength"/> of the returned number says how much there
    /// was.</summary>
    internal int Piece(long offsetBytes, Span<byte> pinned)
    {
        if (_pieceCount >= _pieceLimit)
        {
            throw new InvalidOperationException("More pieces than the read was made for.");
        }

        nuint* length = PieceLengths + _pieceCount;
        int* result = (int*)(PieceLengths + _pieceLimit) + _pieceCount;
        Librados.AddRead(
            Handle, (ulong)offsetBytes, (nuint)pinned.Length,
            (byte*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref MemoryMarshal.GetReference(pinned)), length,
            result);
        return _pieceCount++;
    }

    /// <summary>How many bytes a piece had.</summary>
    internal int PieceLength(int piece) => (int)PieceLengths[piece];

    /// <summary>The values of two attributes; null where the object has none of that name.</summary>
    internal (byte[]? First, byte[]? Second) Take(string first, string second)
    {
        byte[]? one = null;
        byte[]? two = null;
        while (Librados.NextAttribute(_results->Attributes, out nint name, out nint value, out nuint length) == 0
            && name != 0)
        {
            string text = Marshal.PtrToStringUTF8(name)!;
            if (text == first)
            {
                one = new ReadOnlySpan<byte>((void*)value, (int)length).ToArray();
            }
            else if (text == second)
            {
                two = new ReadOnlySpan<byte>((void*)value, (int)length).ToArray();
            }
        }

        return (one, two);
    }

    public void Dispose()
    {
        Handle.Dispose();
        if (_results->Attributes != 0)
        {
            Librados.EndAttributes(_results->Attributes);
        }

        NativeMemory.Free(_results);
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Results
    {
        public nint Attributes;
        public ulong SizeBytes;
        public long Time;
        public int AttributesResult;
        public int SizeResult;
    }
}
