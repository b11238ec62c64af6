using DataLayer.TestSupport.Posix;

namespace DataLayer.EndToEndTests.Posix;

/// <summary>A mapping of a file; unmapped on dispose.</summary>
internal sealed unsafe class PosixMap : IDisposable
{
    private readonly nuint _length;
    private readonly long _address;

    internal PosixMap(PosixFile file, int length, int flags = MapFlags.Shared, int protection = MapFlags.Read | MapFlags.Write, long offset = 0)
    {
        _length = (nuint)length;
        _address = Sys.Map(_length, protection, flags, file.Number, offset);
        PosixChecks.Ok(_address);
    }

    /// <summary>The mapped bytes. Beyond the page that holds the file's end a touch is SIGBUS.</summary>
    internal Span<byte> Bytes => new((void*)_address, (int)_length);

    internal void Sync(int flags = MapFlags.Synchronous) => PosixChecks.Ok(Sys.SyncMap(_address, _length, flags));

    public void Dispose() => PosixChecks.Ok(Sys.Unmap(_address, _length));
}
