using System.Globalization;
using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Core.Text;
using DataLayer.Storage.Interop;

namespace DataLayer.Engine.Feeds;

/// <summary>
/// The datasets that are kept: a folder each, with a record, the current index and its manifest. The record names the
/// others by number and is replaced as a whole, so a crash leaves the old index or the new one.
/// </summary>
/// <param name="folder">The folder of all, made when it is needed; null where the engine keeps nothing.</param>
internal sealed class DatasetStore(string? folder)
{
    private const string RecordName = "dataset.json";

    /// <summary>The records, by name; of one that cannot be read its name and why.</summary>
    public List<DatasetRecord> List()
    {
        List<DatasetRecord> records = [];
        if (folder is not null && Directory.Exists(folder))
        {
            string[] names = Directory.GetDirectories(folder);
            Array.Sort(names, StringComparer.Ordinal);
            foreach (string name in names)
            {
                if (File.Exists(Path.Combine(name, RecordName)))
                {
                    records.Add(ReadOrTell(Path.GetFileName(name)));
                }
            }
        }

        return records;
    }

    /// <summary>One record, or null.</summary>
    /// <exception cref="DataLayerException">Corrupt; InvalidArgument: not a name.</exception>
    public DatasetRecord? Read(string name)
    {
        string path = Path.Combine(FolderOf(name), RecordName);
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), DatasetJson.Default.DatasetRecord);
        }
        catch (JsonException e)
        {
            throw new DataLayerException(
                ErrorCode.Corrupt,
                $"The record '{path}' is damaged: {e.Message} Remove its folder and make the dataset again.", e);
        }
    }

    /// <summary>Keeps a record, in place of the one of its name; durable on return.</summary>
    public void Save(DatasetRecord record)
    {
        string path = FolderOf(record.Name);
        Directory.CreateDirectory(path);
        WholeFile.Write(
            Path.Combine(path, RecordName),
            JsonSerializer.SerializeToUtf8Bytes(record, DatasetJson.Default.DatasetRecord));
    }

    /// <summary>Forgets a dataset: its record first, so a crash leaves no half of one.</summary>
    public void Remove(string name)
    {
        File.Delete(Path.Combine(FolderOf(name), RecordName));
        Directory.Delete(FolderOf(name), recursive: true);
    }

    /// <summary>Removes the files of other builds than the current one.</summary>
    public void Clean(DatasetRecord record)
    {
        foreach (string file in Directory.GetFiles(FolderOf(record.Name)))
        {
            if (Path.GetFileName(file) != RecordName && file != IndexOf(record) && file != ManifestOf(record))
            {
                File.Delete(file);
            }
        }
    }

    public string IndexOf(DatasetRecord record) => PathOf(record, ".dlindex");

    public string ManifestOf(DatasetRecord record) => PathOf(record, ".files.gz");

    /// <summary>Checks a name.</summary>
    /// <exception cref="DataLayerException">InvalidArgument; NotSupported: there is no folder.</exception>
    public void Check(string name) => _ = FolderOf(name);

    private DatasetRecord ReadOrTell(string name)
    {
        try
        {
            return Read(name)!;
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.Corrupt)
        {
            DatasetSpec none = new() { Path = "/", Kind = DatasetKind.Files };
            return new DatasetRecord { Name = name, Spec = none, CreatedAt = default, Fault = e.Message };
        }
    }

    private string PathOf(DatasetRecord record, string suffix) => Path.Combine(
        FolderOf(record.Name), record.Number.ToString(CultureInfo.InvariantCulture) + suffix);

    private string FolderOf(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!PlainName.IsValid(name))
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"'{name}' is not a dataset's name: {PlainName.Rule}.");
        }

        return folder is null
            ? throw new DataLayerException(
                ErrorCode.NotSupported, "Datasets are kept in the state folder, and there is none.")
            : Path.Combine(folder, name);
    }
}
