namespace DataLayer.Engine.Tiering.Planning;

/// <summary>Sums up <see cref="MoveTotals"/> file by file. Not safe for concurrent use.</summary>
internal sealed class TotalsBuilder
{
    private long _files;
    private long _bytes;
    private long _moves;
    private long _movedBytes;
    private long _uploads;
    private long _uploadBytes;
    private long _releases;
    private long _releaseBytes;
    private long _recalls;
    private long _recallBytes;
    private long _reclasses;
    private double _hotBefore;
    private double _coldBefore;
    private double _hotAfter;
    private double _coldAfter;
    private double _recallCost;
    private double _expectedRecallCost;
    private MoveCost _once;

    /// <summary>Adds one file.</summary>
    public void Add(in FileFacts file, in PlacementChange change, in FilePrice price)
    {
        _files++;
        _bytes += file.SizeBytes;
        _hotBefore += price.HotBefore;
        _coldBefore += price.ColdBefore;
        _hotAfter += price.HotAfter;
        _coldAfter += price.ColdAfter;
        _recallCost += price.RecallCost;
        _expectedRecallCost += price.RecallCost * price.UseProbability;
        if (change.Kinds == MoveKinds.None)
        {
            return;
        }

        _moves++;
        _movedBytes += file.SizeBytes;
        _once += price.Once;
        if ((change.Kinds & MoveKinds.Upload) != MoveKinds.None)
        {
            _uploads++;
            _uploadBytes += file.SizeBytes;
        }

        if ((change.Kinds & MoveKinds.Release) != MoveKinds.None)
        {
            _releases++;
            _releaseBytes += file.HotBytes;
        }

        if ((change.Kinds & MoveKinds.Recall) != MoveKinds.None)
        {
            _recalls++;
            _recallBytes += change.HotBytes - file.HotBytes;
        }

        _reclasses += (change.Kinds & MoveKinds.Reclass) != MoveKinds.None ? 1 : 0;
    }

    /// <summary>The sums so far.</summary>
    public MoveTotals ToTotals() =>
        new()
        {
            Files = _files,
            Bytes = _bytes,
            Moves = _moves,
            MovedBytes = _movedBytes,
            Uploads = _uploads,
            UploadBytes = _uploadBytes,
            Releases = _releases,
            ReleaseBytes = _releaseBytes,
            Recalls = _recalls,
            RecallBytes = _recallBytes,
            Reclasses = _reclasses,
            Requests = _once.Requests,
            HotMonthlyBefore = _hotBefore,
            ColdMonthlyBefore = _coldBefore,
            HotMonthlyAfter = _hotAfter,
            ColdMonthlyAfter = _coldAfter,
            Once = _once,
            RecallCost = _recallCost,
            ExpectedRecallCost = _expectedRecallCost,
        };
}
