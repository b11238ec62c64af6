using System.IO.Compression;
using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Storage.Interop;

namespace DataLayer.Engine.Feeds;

/// <summary>
/// The manifest beside an index: which file had which content, a line of JSON each, gzip. Read from front to back by
/// the next build, by a verification and by nobody on the way of a sample.
/// </summary>
internal static class ManifestStore
{
    /// <summary>Writes one, whole and durably.</summary>
    /// <returns>Its length, bytes.</returns>
    public static long Write(string path, IReadOnlyList<IndexedFile> files)
    {
        using MemoryStream packed = new();
        using (GZipStream zip = new(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            byte[] end = [(byte)'\n'];
            foreach (IndexedFile file in files)
            {
                JsonSerializer.Serialize(zip, file.File, DatasetJson.Default.ManifestFile);
                zip.Write(end);
            }
        }

        WholeFile.Write(path, packed.GetBuffer().AsSpan(0, (int)packed.Length));
        return packed.Length;
    }

    /// <summary>Reads one.</summary>
    /// <exception cref="DataLayerException">Corrupt; NotFound.</exception>
    public static IEnumerable<ManifestFile> Read(string path)
    {
        using StreamReader lines = Open(path);
        while (ReadLine(lines, path) is { } line)
        {
            yield return Parse(line, path);
        }
    }

    private static StreamReader Open(string path)
    {
        try
        {
            return new StreamReader(new GZipStream(File.OpenRead(path), CompressionMode.Decompress));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new DataLayerException(ErrorCode.NotFound, $"The manifest '{path}' is gone: refresh the dataset.", e);
        }
    }

    private static string? ReadLine(StreamReader lines, string path)
    {
        try
        {
            return lines.ReadLine();
        }
        catch (InvalidDataException e)
        {
            throw Damaged(path, e);
        }
    }

    private static ManifestFile Parse(string line, string path)
    {
        try
        {
            return JsonSerializer.Deserialize(line, DatasetJson.Default.ManifestFile)
                ?? throw new JsonException("A line is null.");
        }
        catch (JsonException e)
        {
            throw Damaged(path, e);
        }
    }

    private static DataLayerException Damaged(string path, Exception e) => new(
        ErrorCode.Corrupt, $"The manifest '{path}' is damaged: {e.Message} Refresh the dataset to build it again.", e);
}
