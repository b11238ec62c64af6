using System.Formats.Tar;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Engine.Feeds;
using DataLayer.Tests.Engine;

namespace DataLayer.Tests.Feeds;

/// <summary>An engine with datasets over files that a test makes.</summary>
internal sealed class DatasetRun : IAsyncDisposable
{
    private DatasetRun(EngineFixture fixture) => Fixture = fixture;

    public EngineFixture Fixture { get; }

    public DatasetService Datasets => Fixture.Engine.Datasets;

    public static async Task<DatasetRun> OpenAsync() => new(await EngineFixture.OpenAsync());

    public Task WriteAsync(string path, string text) => WriteAsync(path, Encoding.UTF8.GetBytes(text));

    public async Task WriteAsync(string path, byte[] bytes) =>
        await Fixture.WriteFileAsync(path, bytes, new() { MakeParents = true });

    public async Task<DatasetRecord> BuildAsync(DatasetSpec spec, string name = "set")
    {
        await Datasets.CreateAsync(name, spec, CancellationToken.None);
        return await Datasets.BuildAsync(name, _ => { }, CancellationToken.None);
    }

    public async Task<DataLayerException> RefuseAsync(DatasetSpec spec, string name = "bad") =>
        await Assert.ThrowsAsync<DataLayerException>(() => BuildAsync(spec, name));

    /// <summary>All samples, read.</summary>
    public async Task<List<string>> ReadAllAsync(string name = "set")
    {
        SampleIndex index = Datasets.Open(name);
        List<string> samples = [];
        for (long i = 0; i < index.Count; i++)
        {
            samples.Add(Encoding.UTF8.GetString(await ReadAsync(index[i])));
        }

        return samples;
    }

    public async Task<byte[]> ReadAsync(SamplePlace place)
    {
        byte[] bytes = new byte[place.LengthBytes];
        Assert.Equal(bytes.Length, await Datasets.ReadSampleAsync(place, bytes, CancellationToken.None));
        return bytes;
    }

    public string LabelOf(long sample, string name = "set")
    {
        SampleIndex index = Datasets.Open(name);
        return index.Classes[index[sample].Class];
    }

    /// <summary>A tar of members; a name that ends in a slash is a folder.</summary>
    public static byte[] Tar(TarEntryFormat format, params (string Name, string Text)[] members)
    {
        using MemoryStream bytes = new();
        using (TarWriter writer = new(bytes, format, leaveOpen: true))
        {
            foreach ((string name, string text) in members)
            {
                TarEntryType type = name.EndsWith('/') ? TarEntryType.Directory : format == TarEntryFormat.V7 ? TarEntryType.V7RegularFile : TarEntryType.RegularFile;
                TarEntry entry = format switch
                {
                    TarEntryFormat.Gnu => new GnuTarEntry(type, name),
                    TarEntryFormat.Pax => new PaxTarEntry(type, name),
                    TarEntryFormat.Ustar => new UstarTarEntry(type, name),
                    _ => new V7TarEntry(type, name),
                };
                if (type != TarEntryType.Directory)
                {
                    entry.DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text));
                }

                writer.WriteEntry(entry);
            }
        }

        return bytes.ToArray();
    }

    public ValueTask DisposeAsync() => Fixture.DisposeAsync();
}
