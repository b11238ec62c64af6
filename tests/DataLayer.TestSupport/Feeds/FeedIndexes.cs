using DataLayer.Engine.Feeds;

namespace DataLayer.TestSupport.Feeds;

/// <summary>Sample indexes of files that are nowhere: for those who need orders and places, but no bytes.</summary>
public static class FeedIndexes
{
    /// <summary>A file a sample, all of one length. Inodes count from 1; those of <paramref name="stride"/> above 1 lie apart.</summary>
    public static SampleIndex Files(string path, int count, long sizeBytes, int stride = 1, double validationShare = 0) => Write(
        path,
        new DatasetSpec { Path = "/data", Kind = DatasetKind.Files, ValidationShare = validationShare, Labels = LabelSource.Folder },
        [.. Enumerable.Range(0, count).Select(i => File(i, stride, sizeBytes, 1, label: $"{i * 7 % 5}"))]);

    /// <summary>Files of records of one length.</summary>
    public static SampleIndex Records(string path, int files, int perFile, int recordBytes) => Write(
        path,
        new DatasetSpec { Path = "/data", Kind = DatasetKind.Fixed, RecordBytes = recordBytes },
        [.. Enumerable.Range(0, files).Select(i => File(i, 1, (long)perFile * recordBytes, perFile))],
        recordBytes);

    /// <summary>Files of samples that differ in length and have gaps between them.</summary>
    public static SampleIndex Tars(string path, int files, int perFile, int seed)
    {
        Random random = new(seed);
        List<IndexedFile> all = [];
        for (int i = 0; i < files; i++)
        {
            long[] offsets = new long[perFile];
            long[] lengths = new long[perFile];
            long next = 0;
            for (int k = 0; k < perFile; k++)
            {
                next += random.Next(0, 2000);
                (offsets[k], lengths[k]) = (next, random.Next(1, 600_000));
                next += lengths[k];
            }

            all.Add(File(i, 1, next, perFile, offsets: offsets, lengths: lengths));
        }

        return Write(path, new DatasetSpec { Path = "/data", Kind = DatasetKind.Tar }, all);
    }

    private static IndexedFile File(
        int number, int stride, long sizeBytes, long samples, string? label = null, long[]? offsets = null, long[]? lengths = null)
    {
        ManifestFile file = new()
        {
            Path = $"{number:D7}",
            Inode = 1 + ((long)number * stride) + (stride > 1 ? number * 31 % stride : 0),
            Generation = 1,
            Version = 1,
            Size = sizeBytes,
            Samples = samples,
            Identity = $"{number}",
        };
        return new IndexedFile { File = file, Count = samples, Label = label, Offsets = offsets, Lengths = lengths };
    }

    private static SampleIndex Write(string path, DatasetSpec spec, List<IndexedFile> files, long recordBytes = 0)
    {
        IndexBuild build = new() { Spec = spec, Files = files, Record = recordBytes > 0 ? new RecordShape(recordBytes, null, null) : null };
        build.Prepare();
        IndexWriter.Write(path, build);
        return SampleIndex.Open(path);
    }
}
