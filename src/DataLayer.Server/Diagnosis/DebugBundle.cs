using System.Formats.Tar;
using System.IO.Compression;
using System.Text;

namespace DataLayer.Server.Diagnosis;

/// <summary>
/// A tar.gz of texts for whoever looks into a fault elsewhere. Every text goes through a <see cref="SecretScrubber"/>
/// and is cut at 16 MiB, keeping its end; what could not be had is listed with the reason in README.txt, written last.
/// </summary>
internal sealed class DebugBundle(SecretScrubber scrubber, DateTimeOffset made) : IDisposable
{
    private const int TextCharacters = 16 << 20;
    private readonly MemoryStream _packed = new();
    private readonly StringBuilder _contents = new();
    private TarWriter? _tar;

    /// <summary>How many texts are not in it, a count.</summary>
    public int MissingCount { get; private set; }

    /// <summary>Adds a text.</summary>
    public void Add(string name, string text)
    {
        text = text.Length > TextCharacters ? "…\n" + text[^TextCharacters..] : text;
        byte[] bytes = Encoding.UTF8.GetBytes(scrubber.Clean(text));
        _tar ??= new TarWriter(new GZipStream(_packed, CompressionLevel.Optimal, leaveOpen: true));
        _tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "datalayer-debug/" + name)
        {
            DataStream = new MemoryStream(bytes),
            ModificationTime = made,
            Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        _contents.Append(name).Append(": ").Append(bytes.Length).Append(" bytes\n");
    }

    /// <summary>Says that a text could not be had.</summary>
    public void Miss(string name, string reason)
    {
        MissingCount++;
        _contents.Append(name).Append(": not there: ").Append(scrubber.Clean(reason)).Append('\n');
    }

    /// <summary>Ends the bundle.</summary>
    /// <param name="head">The first lines of README.txt.</param>
    /// <returns>Its bytes.</returns>
    public ReadOnlyMemory<byte> Finish(string head)
    {
        Add("README.txt", head + "\n\n" + _contents);
        _tar!.Dispose();
        _tar = null;
        return _packed.GetBuffer().AsMemory(0, (int)_packed.Length);
    }

    /// <inheritdoc/>
    public void Dispose() => _tar?.Dispose();
}
