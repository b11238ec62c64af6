using System.Text;
using DataLayer.TestSupport.Posix;

namespace DataLayer.EndToEndTests.Posix;

/// <summary>An open descriptor whose calls must succeed; for those that must fail use <see cref="Sys"/> with <see cref="Number"/>.</summary>
internal sealed class PosixFile(int number) : IDisposable
{
    private bool _isClosed;

    /// <summary>The descriptor.</summary>
    internal int Number { get; } = number;

    internal FileStatus Status
    {
        get
        {
            PosixChecks.Ok(Sys.Stat(Number, out var status));
            return status;
        }
    }

    internal long Size => Status.Size;

    internal void Write(ReadOnlySpan<byte> bytes, long offset) => Assert.Equal(bytes.Length, PosixChecks.Ok(Sys.Write(Number, bytes, offset)));

    internal void Write(string text, long offset) => Write(Encoding.UTF8.GetBytes(text), offset);

    /// <summary>Writes at the descriptor's own position.</summary>
    internal void Write(string text) => Assert.Equal(text.Length, PosixChecks.Ok(Sys.Write(Number, Encoding.UTF8.GetBytes(text))));

    /// <summary>What is there, at most so many bytes: less at the end of the file.</summary>
    internal byte[] Read(int length, long offset)
    {
        var buffer = new byte[length];
        var at = 0;
        while (at < length)
        {
            var read = (int)PosixChecks.Ok(Sys.Read(Number, buffer.AsSpan(at), offset + at));
            if (read == 0)
            {
                break;
            }

            at += read;
        }

        return buffer[..at];
    }

    /// <summary>Text at the descriptor's own position.</summary>
    internal string ReadText(int length)
    {
        var buffer = new byte[length];
        return Encoding.UTF8.GetString(buffer, 0, (int)PosixChecks.Ok(Sys.Read(Number, buffer)));
    }

    internal string Text() => Encoding.UTF8.GetString(Read((int)Size, 0));

    internal long Seek(long offset, int from) => Sys.Seek(Number, offset, from);

    internal void Truncate(long length) => PosixChecks.Ok(Sys.Truncate(Number, length));

    /// <summary>close(2), which may report what writing back failed with.</summary>
    internal void Close()
    {
        _isClosed = true;
        PosixChecks.Ok(Sys.Close(Number));
    }

    public void Dispose()
    {
        if (!_isClosed)
        {
            _isClosed = true;
            Sys.Close(Number);
        }
    }
}
