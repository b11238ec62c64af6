using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DataLayer.Core.Order;

namespace DataLayer.Engine.Feeds;

/// <summary>
/// All that an index is written from: its files in the order of their paths, and what its labels are.
/// </summary>
internal sealed class IndexBuild
{
    private const string Domain = "datalayer-index-1";

    public required DatasetSpec Spec { get; init; }

    public required IReadOnlyList<IndexedFile> Files { get; init; }

    /// <summary>What a fixed record is; null of other kinds.</summary>
    public RecordShape? Record { get; init; }

    /// <summary>The labels by class number.</summary>
    public IReadOnlyList<string> Classes { get; private set; } = [];

    /// <summary>The class of each sample; null without labels.</summary>
    public int[][]? ClassNumbers { get; private set; }

    public long RecordBytes => Record?.RecordBytes ?? 0;

    public long SampleCount { get; private set; }

    public long SampleBytes { get; private set; }

    /// <summary>Counts, and numbers the classes: labels that are all whole numbers by value, others by text.</summary>
    public void Prepare()
    {
        HashSet<string> labels = new(StringComparer.Ordinal);
        foreach (IndexedFile file in Files)
        {
            SampleCount += file.Count;
            for (long i = 0; i < file.Count; i++)
            {
                SampleBytes += file.LengthOf(i, RecordBytes);
                if (file.LabelOf(i) is { } label)
                {
                    labels.Add(label);
                }
            }
        }

        if (Spec.Labels != LabelSource.None)
        {
            NumberClasses(labels);
        }
    }

    /// <summary>
    /// Whether a sample is held out for validation: by the hash of its file's path and its place in it.
    /// </summary>
    public static bool IsValidation(ulong fileHash, long sample, double share) =>
        share > 0 && OrderMix(fileHash, sample) < (ulong)(share * (1UL << 53)) << 11;

    /// <summary>The hash of a file that <see cref="IsValidation"/> takes.</summary>
    public static ulong HashForSplit(string salt, string path) => BinaryPrimitives.ReadUInt64LittleEndian(
        SHA256.HashData(Encoding.UTF8.GetBytes($"datalayer-split-1\0{salt}\0{path}")));

    /// <summary>The identity of the dataset: docs/FORMATS/sample-index.md lists what enters.</summary>
    public byte[] ComputeHash()
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        AppendText(hash, Domain);
        AppendText(hash, Spec.Kind.ToString().ToLowerInvariant());
        AppendNumber(hash, RecordBytes);
        AppendText(hash, Record?.ElementType ?? string.Empty);
        AppendNumber(hash, Record?.Shape?.Count ?? -1);
        foreach (long extent in Record?.Shape ?? [])
        {
            AppendNumber(hash, extent);
        }

        AppendNumber(hash, BitConverter.DoubleToInt64Bits(Spec.ValidationShare));
        AppendText(hash, Spec.ValidationShare > 0 ? Spec.SplitSalt : string.Empty);
        AppendNumber(hash, Classes.Count);
        foreach (string label in Classes)
        {
            AppendText(hash, label);
        }

        AppendNumber(hash, Files.Count);
        for (int i = 0; i < Files.Count; i++)
        {
            AppendFile(hash, Files[i], ClassNumbers?[i]);
        }

        return hash.GetHashAndReset();
    }

    private static void AppendText(IncrementalHash hash, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        AppendNumber(hash, bytes.Length);
        hash.AppendData(bytes);
    }

    private static void AppendNumber(IncrementalHash hash, long number)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        hash.AppendData(bytes);
    }

    private static ulong OrderMix(ulong fileHash, long sample) => new OrderKey(fileHash, 0, 0, 0).Draw(sample);

    private void AppendFile(IncrementalHash hash, IndexedFile file, int[]? classes)
    {
        AppendText(hash, file.File.Path);
        AppendText(hash, file.File.Identity);
        AppendNumber(hash, file.File.Size);
        AppendNumber(hash, file.Count);
        if (file.Offsets is null)
        {
            AppendNumber(hash, file.DataOffset);
        }

        Span<byte> sample = stackalloc byte[20];
        for (int i = 0; i < file.Count && (file.Offsets is not null || classes is not null); i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(sample, file.OffsetOf(i, RecordBytes));
            BinaryPrimitives.WriteInt64LittleEndian(sample[8..], file.LengthOf(i, RecordBytes));
            BinaryPrimitives.WriteInt32LittleEndian(sample[16..], classes?[i] ?? -1);
            hash.AppendData(sample);
        }
    }

    private void NumberClasses(HashSet<string> labels)
    {
        List<string> sorted = [.. labels];
        bool areNumbers = sorted.TrueForAll(static label => long.TryParse(
            label, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _));
        sorted.Sort(areNumbers ? CompareNumbers : StringComparer.Ordinal.Compare);
        Dictionary<string, int> numbers = new(StringComparer.Ordinal);
        foreach (string label in sorted)
        {
            numbers.Add(label, numbers.Count);
        }

        Classes = sorted;
        ClassNumbers = new int[Files.Count][];
        for (int f = 0; f < Files.Count; f++)
        {
            IndexedFile file = Files[f];
            ClassNumbers[f] = new int[file.Count];
            for (long i = 0; i < file.Count; i++)
            {
                ClassNumbers[f][i] = numbers[file.LabelOf(i)!];
            }
        }
    }

    private static int CompareNumbers(string left, string right)
    {
        CultureInfo invariant = CultureInfo.InvariantCulture;
        int byValue = long.Parse(left, invariant).CompareTo(long.Parse(right, invariant));
        return byValue != 0 ? byValue : StringComparer.Ordinal.Compare(left, right);
    }
}
