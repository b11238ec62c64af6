using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;

namespace DataLayer.EndToEndTests.Load;

/// <summary>What an error answer means.</summary>
internal enum Verdict
{
    /// <summary>It should not have come.</summary>
    Fault,

    /// <summary>It was expected, and nothing was changed.</summary>
    NotApplied,

    /// <summary>It was expected, and the change may or may not have happened: the service is going down.</summary>
    Unknown,
}

/// <summary>
/// One writer of a mixed load: creates, replaces, writes in place, renames (plain, no-replace, exchange), links, deletes, in a folder
/// of its own, chosen by a seed. Keeps a model of what was acknowledged and of the one operation whose answer never came.
/// </summary>
internal sealed class LoadWorker
{
    private const int NameCount = 24;
    private readonly Random _random;
    private readonly string _folder;
    private readonly int _maxLength;
    private ulong _nextSeed;
    private Dictionary<string, FileModel> _files = new(StringComparer.Ordinal);

    /// <summary>What the tree holds if the unanswered operation was applied; null where every operation was answered.</summary>
    private Dictionary<string, FileModel>? _maybe;
    private string? _torn;
    private string _unanswered = "";

    internal LoadWorker(int seed, string folder, int maxLength = 3 << 20)
    {
        _random = new Random(seed);
        _nextSeed = (ulong)seed << 32;
        (_folder, _maxLength) = (folder, maxLength);
    }

    /// <summary>Operations acknowledged so far.</summary>
    internal int Acknowledged { get; private set; }

    /// <summary>Operations the service refused with an error that was expected (a fault was injected).</summary>
    internal int Refused { get; private set; }

    /// <summary>The files this worker knows to be there, by path.</summary>
    internal IReadOnlyDictionary<string, FileModel> Files => _files;

    /// <summary>Makes the worker's folder.</summary>
    internal async Task PrepareAsync(DataLayerClient client) => await client.MakeDirectoryAsync(_folder, parents: true);

    /// <summary>
    /// Does one operation. False where the connection broke, so that its end is not known. A refusal by the service (an error
    /// answer) means the operation was not applied; <paramref name="judge"/> says whether that was expected.
    /// </summary>
    internal async Task<bool> StepAsync(DataLayerClient client, Func<DataLayerException, Verdict>? judge = null)
    {
        var (what, after, torn, act) = Choose(client);
        (_maybe, _torn, _unanswered) = (after, torn, what);
        try
        {
            await act();
            (_files, _maybe, _torn) = (after, null, null);
            _tornFiles.ExceptWith(after.Keys);
            Acknowledged++;
            return true;
        }
        catch (DataLayerException e) when (e.Code != ErrorCode.OriginUnavailable || e.InnerException is null)
        {
            switch (judge?.Invoke(e) ?? Verdict.Fault)
            {
                case Verdict.NotApplied:
                    (_maybe, _torn) = (null, null);
                    Refused++;
                    return true;
                case Verdict.Unknown:
                    return false;
                default:
                    throw new InvalidOperationException($"{what}: {e.Code}: {e.Message}", e);
            }
        }
        catch (Exception e) when (e is DataLayerException or HttpRequestException or IOException or ObjectDisposedException)
        {
            return false;
        }
    }

    /// <summary>Deletes the files whose bytes no model knows: a write in place was torn.</summary>
    internal async Task DropTornAsync(DataLayerClient client)
    {
        foreach (var path in _tornFiles)
        {
            await client.DeleteAsync(path);
        }

        _tornFiles.Clear();
    }

    /// <summary>
    /// Compares the folder with the model, and settles the unanswered operation as applied or not. Returns what is wrong, or
    /// nothing.
    /// </summary>
    internal async Task<IReadOnlyList<string>> VerifyAsync(DataLayerClient client)
    {
        var found = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        await foreach (var entry in client.ListAsync(_folder))
        {
            using var bytes = await client.ReadFileAsync($"{_folder}/{entry.Name}");
            found[$"{_folder}/{entry.Name}"] = bytes.Memory.ToArray();
        }

        var faults = Compare(found, _files, torn: null);
        if (faults.Count > 0 && _maybe is not null)
        {
            var other = Compare(found, _maybe, _torn);
            (faults, _files) = other.Count == 0
                ? (other, Settle(found, _maybe))
                : ([.. faults, "or, with the unanswered operation applied:", .. other], _files);
        }

        var message = _maybe is null ? "" : $" (unanswered: {_unanswered})";
        (_maybe, _torn) = (null, null);
        _tornFiles.ExceptWith(_files.Keys);
        return [.. faults.Select(fault => fault + message)];
    }

    /// <summary>A write in place that was torn leaves bytes that no model made: take them as they are by rewriting the file's model.</summary>
    private Dictionary<string, FileModel> Settle(Dictionary<string, byte[]> found, Dictionary<string, FileModel> after)
    {
        if (_torn is not null && !found[_torn].AsSpan().SequenceEqual(after[_torn].ToBytes()))
        {
            // The next step on this file replaces it; until then nothing is known of the torn range.
            after.Remove(_torn);
            _tornFiles.Add(_torn);
        }

        return after;
    }

    private readonly HashSet<string> _tornFiles = new(StringComparer.Ordinal);

    private List<string> Compare(Dictionary<string, byte[]> found, Dictionary<string, FileModel> wanted, string? torn)
    {
        var faults = new List<string>();
        foreach (var (path, model) in wanted)
        {
            if (!found.TryGetValue(path, out var bytes))
            {
                faults.Add($"{path} is missing");
            }
            else if (path == torn ? !FileModel.IsBetween(_files.GetValueOrDefault(path) ?? model, model, bytes) : !bytes.AsSpan().SequenceEqual(model.ToBytes()))
            {
                faults.Add($"{path} differs: {bytes.Length} bytes found, {model.Length} wanted, {FirstDifference(bytes, model.ToBytes())}");
            }
        }

        faults.AddRange(found.Keys.Where(path => !wanted.ContainsKey(path) && !_tornFiles.Contains(path)).Select(path => $"{path} should not be there"));
        return faults;
    }

    private static string FirstDifference(byte[] found, byte[] wanted)
    {
        var common = found.AsSpan().CommonPrefixLength(wanted);
        var zeros = found.AsSpan(common).IndexOfAnyExcept((byte)0) < 0 ? ", zeros from there" : "";
        return $"first difference at {common}{zeros}";
    }

    private (string What, Dictionary<string, FileModel> After, string? Torn, Func<Task> Act) Choose(DataLayerClient client)
    {
        var after = new Dictionary<string, FileModel>(_files, StringComparer.Ordinal);
        var choice = _random.Next(100);
        var path = NewName();
        if (_files.Count == 0 || choice < 45)
        {
            var content = new Content(_nextSeed++, NextLength());
            after[path] = new FileModel(content);
            return ($"write {path} {content.Length}", after, null, () => client.WriteFileAsync(path, content.ToBytes()).AsTask());
        }

        var old = _files.Keys.ElementAt(_random.Next(_files.Count));
        if (choice < 60)
        {
            var model = _files[old];
            var offset = _random.Next(model.Length + 1);
            var content = new Content(_nextSeed++, 1 + _random.Next(200_000));
            after[old] = model.With(offset, content);
            return ($"write at {old} {offset}+{content.Length}", after, old, () => client.WriteAtAsync(old, offset, content.ToBytes()).AsTask());
        }

        if (choice < 75 || (choice < 85 && path == old))
        {
            after.Remove(old);
            return ($"delete {old}", after, null, () => client.DeleteAsync(old).AsTask());
        }

        if (path == old || _tornFiles.Contains(path))
        {
            return ($"flush {old}", after, null, () => client.FlushAsync(old).AsTask());
        }

        if (choice < 90 || !_files.TryGetValue(path, out var other))
        {
            after[path] = _files[old];
            after.Remove(old);
            return ($"rename {old} {path}", after, null, () => client.RenameAsync(old, path).AsTask());
        }

        (after[path], after[old]) = (_files[old], other);
        return ($"exchange {old} {path}", after, null, () => client.RenameAsync(old, path, RenameFlags.Exchange).AsTask());
    }

    private string NewName() => $"{_folder}/f{_random.Next(NameCount)}";

    /// <summary>Lengths around the edges of checksums, blocks and segments, and anything in between; small ones most often.</summary>
    private int NextLength() => _random.Next(6) switch
    {
        0 => _random.Next(2),
        1 or 2 => _random.Next(70_000),
        3 => (64 << 10) + _random.Next(-1, 2),
        4 => Math.Min(_maxLength, (1 << 20) + _random.Next(-1, 2)),
        _ => _random.Next(_maxLength),
    };
}
